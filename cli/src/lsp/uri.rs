//! URIs and paths: of files (RFC 8089, RFC 3986), and of texts that were never saved.

use std::path::{Path, PathBuf};

/// Where a text that was never saved stands for a file: alone in a folder of its own, `/untitled:Untitled-1/untitled.pattern`.
const UNSAVED: (&str, &str) = ("/untitled:", "/untitled.pattern");

/// The path that a `file:` or `untitled:` URI names; `None` for others.
pub fn to_path(uri: &str) -> Option<PathBuf> {
    if let Some(name) = uri.strip_prefix("untitled:") {
        return Some(PathBuf::from(format!("{}{name}{}", UNSAVED.0, UNSAVED.1)));
    }
    let rest = uri.strip_prefix("file://")?;
    // A host other than this one cannot be reached.
    let path = &rest[rest.find('/')?..];
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.as_bytes();
    while let Some((&first, rest)) = left.split_first() {
        let hex = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                left = &rest[2..];
            }
            _ => {
                bytes.push(first);
                left = rest;
            }
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    // `/c:/folder` on systems with drives.
    let drive = cfg!(windows) && path.as_bytes().get(2) == Some(&b':');
    Some(PathBuf::from(if drive { &path[1..] } else { &path }))
}

/// Whether a folder stands for one in which a text that was never saved is alone.
pub fn is_unsaved(folder: &Path) -> bool {
    folder.to_string_lossy().replace('\\', "/").starts_with(UNSAVED.0)
}

/// The URI of an absolute path.
pub fn of_path(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    if let Some(name) = path.strip_prefix(UNSAVED.0).and_then(|rest| rest.strip_suffix(UNSAVED.1)) {
        return format!("untitled:{name}");
    }
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "file:///" });
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b'+' | b',' | b'=' => {
                uri.push(byte as char)
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back() {
        for path in ["/a/b.pattern", "/with space/ü/100%.pattern", "/a#b?c.pattern"] {
            assert_eq!(to_path(&of_path(Path::new(path))).as_deref(), Some(Path::new(path)));
        }
        assert_eq!(of_path(Path::new("/a b")), "file:///a%20b");
        assert_eq!(to_path("file:///a%20b%c3%bc"), Some("/a bü".into()));
        for unsaved in ["untitled:Untitled-1", "untitled:/home/a%20b/new.pattern"] {
            assert_eq!(to_path(unsaved).map(|path| of_path(&path)).as_deref(), Some(unsaved));
        }
        assert_eq!(to_path("git:/a.pattern"), None);
    }
}

//! URIs and paths: of files (RFC 8089, RFC 3986), and of texts that were never saved.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where a text that was never saved stands for a file: alone in a folder of its own, `/untitled:Untitled-1/untitled.pattern`.
const UNSAVED: (&str, &str) = ("/untitled:", "/untitled.pattern");

/// What stands for something else in the path of a URI, or may not be there.
const ENCODED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'@').remove(b'+').remove(b',').remove(b'=');

/// The path that a `file:` or `untitled:` URI names; `None` for others.
pub fn to_path(uri: &str) -> Option<PathBuf> {
    if let Some(name) = uri.strip_prefix("untitled:") {
        return Some(PathBuf::from(format!("{}{name}{}", UNSAVED.0, UNSAVED.1)));
    }
    let rest = uri.strip_prefix("file://")?;
    // A host other than this one cannot be reached.
    let path = percent_decode_str(&rest[rest.find('/')?..]).decode_utf8().ok()?;
    // `/c:/folder` on systems with drives.
    let drive = cfg!(windows) && path.as_bytes().get(2) == Some(&b':');
    Some(PathBuf::from(if drive { &path[1..] } else { &*path }))
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
    let host = if path.starts_with('/') { "file://" } else { "file:///" };
    format!("{host}{}", utf8_percent_encode(&path, &ENCODED))
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

//! Writing a file so that it is whole at every moment: the old text, then the new one.

use std::io::Write;
use std::path::Path;

use crate::fault::Fault;

/// Whether something is there that is no file: a device or a pipe is written to. Another file in its place would take it from everyone, as
/// `/dev/null` from the whole machine.
pub fn is_written_through(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Writes a file, or replaces what is there; its permissions stay. What goes wrong leaves the old file.
pub fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let failed = |source| Fault::Write { path: path.to_path_buf(), source };
    if is_written_through(path) {
        let mut through = std::fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
        return through.write_all(text.as_bytes()).map_err(failed);
    }
    // Through a link, the file that it leads to is replaced, not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".patternc-");
    let permissions = std::fs::metadata(&target).ok().map(|metadata| metadata.permissions());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What `File::create` asks for, before the umask.
        let mode = permissions.as_ref().map_or(0o666, |permissions| permissions.mode() & 0o777);
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions).map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("a.pattern");
        for text in ["space a\n", "space b\n"] {
            write(&path, text).expect("the folder can be written");
            assert_eq!(std::fs::read_to_string(&path).expect("it was written"), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1);
        assert!(write(&folder.path().join("none/a.pattern"), "").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays_one() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().expect("there is room");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("it is part of the system").success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read_to_string(pipe).expect("it is there")
        });
        write(&pipe, "text").expect("somebody reads");
        let is_pipe = std::fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo();
        assert!(is_pipe, "replaced by a file");
        assert_eq!(reader.join().expect("it reads"), "text");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("there is room");
        let (path, link) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "old").expect("there is room");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
        std::os::unix::fs::symlink(&path, &link).expect("links can be made");
        write(&link, "new").expect("the folder can be written");
        assert!(std::fs::symlink_metadata(&link).expect("it is there").is_symlink());
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "new");
        assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o640);
    }
}

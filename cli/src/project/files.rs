//! The files of projects, on disk and in editors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use patternc_compiler::config::{self, Config};
use patternc_compiler::resolve::imported_path;
use patternc_grammar::syntax::ItemKind;
use patternc_interpreter::sync::lock;

use crate::fault::Fault;

/// The name of the configuration file.
pub const CONFIG: &str = "patternc.yaml";

/// What may stand before the text of a file, and is no part of it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Text that stands for a file: `-` with `--stdin-filename`, or what an editor has open.
pub struct Overlay {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// A pattern file on disk.
pub struct PatternFile {
    /// As it is best shown: relative to the current folder where that is possible.
    pub path: PathBuf,
    /// The text, or where it stops being UTF-8.
    pub text: Result<String, usize>,
}

/// The pattern files that were asked for, in the order of their projects and paths.
pub fn pattern_files(paths: &[PathBuf]) -> Result<Vec<PatternFile>, Fault> {
    let here = current_folder()?;
    let mut all = Vec::new();
    for (root, wanted, mut files) in found(&here, paths, Vec::new())? {
        for (name, text) in std::mem::take(&mut files.texts) {
            let path = root.join(&name);
            if wanted.iter().any(|wanted| path.starts_with(wanted)) {
                let text = files.not_text.get(&name).map_or(Ok(text), |&at| Err(at));
                all.push(PatternFile { path: path.strip_prefix(&here).map(Path::to_path_buf).unwrap_or(path), text });
            }
        }
    }
    Ok(all)
}

/// That there are no pattern files: where was looked, and for what.
pub fn no_files(paths: &[PathBuf]) -> Fault {
    let said = || -> Result<String, Fault> {
        let here = current_folder()?;
        let mut looked = Vec::new();
        for path in or_here(paths) {
            let root = root_of(&normal(&here.join(&path)));
            let config = read_config(&root)?;
            let patterns: Vec<String> = included(config.as_deref()).iter().map(|pattern| format!("`{pattern}`")).collect();
            let of = match config {
                Some(_) => format!(" (the `patterns` of {})", root.strip_prefix(&here).unwrap_or(&root).join(CONFIG).display()),
                None => String::new(),
            };
            looked.push(format!("in {} for {}{of}", path.display(), patterns.join(", ")));
        }
        Ok(format!("no pattern files found: looked {}, leaving out what Git ignores", looked.join(" and ")))
    };
    said().map_or_else(|fault| fault, Fault::Use)
}

/// The same as a message where nobody said that there are some, with a path or a `patternc.yaml`: a hook that has no file to name is content
/// with a folder that has none.
pub fn no_files_unless_said(paths: &[PathBuf]) -> Result<String, Fault> {
    let is_said = !paths.is_empty() || root_of(&current_folder()?).join(CONFIG).is_file();
    let fault = no_files(paths);
    if is_said { Err(fault) } else { Ok(fault.to_string()) }
}

/// Whether the one file that is meant comes from the standard input: `-`, or nothing but a name for it.
pub fn is_from_stdin(paths: &[PathBuf], name: Option<&Path>) -> Result<bool, Fault> {
    let is_asked = paths.iter().any(|path| path.as_os_str() == "-");
    match (is_asked, name, paths.len()) {
        (true, _, 2..) => Err(Fault::Use("`-` stands alone: the standard input is the one file that is meant".into())),
        (false, Some(_), 1..) => {
            Err(Fault::Use("--stdin-filename names the standard input, so no other file can be meant: leave out the paths, or it".into()))
        }
        (_, name, _) => Ok(is_asked || name.is_some()),
    }
}

/// The paths that were given, or the current folder.
fn or_here(paths: &[PathBuf]) -> Vec<PathBuf> {
    if paths.is_empty() { vec![".".into()] } else { paths.to_vec() }
}

pub(super) fn current_folder() -> Result<PathBuf, Fault> {
    std::env::current_dir().map_err(|source| Fault::Read { path: ".".into(), source })
}

/// The projects that the paths belong to and those below them: where they are, what was asked for there, and their files.
pub(super) type Found = Vec<(PathBuf, Vec<PathBuf>, Files)>;

pub(super) fn found(here: &Path, paths: &[PathBuf], mut overlays: Vec<Overlay>) -> Result<Found, Fault> {
    overlays.iter_mut().for_each(|overlay| overlay.path = normal(&here.join(&overlay.path)));
    let mut wanted: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in or_here(paths) {
        let full = normal(&here.join(&path));
        if !overlays.iter().any(|overlay| overlay.path == full) && !full.exists() {
            return Err(Fault::Use(format!("there is no {}", path.display())));
        }
        let folder = if full.is_dir() { full.clone() } else { full.parent().unwrap_or(Path::new("/")).to_path_buf() };
        wanted.entry(root_of(&folder)).or_default().push(full);
    }
    let mut all = Vec::new();
    let mut done = BTreeSet::new();
    while let Some((root, wanted_here)) = wanted.pop_first() {
        if !done.insert(root.clone()) {
            continue;
        }
        let (files, nested) = read(&root, &wanted_here, &overlays)?;
        for root in nested.into_iter().filter(|n| wanted_here.iter().any(|w| n.starts_with(w))) {
            wanted.entry(root.clone()).or_default().push(root);
        }
        all.push((root, wanted_here, files));
    }
    Ok(all)
}

/// The texts of a project by path, relative to its root.
#[derive(Default)]
pub(super) struct Files {
    pub texts: BTreeMap<String, String>,
    pub config: Option<String>,
    /// Where files stop being UTF-8, by path.
    pub not_text: BTreeMap<String, usize>,
}

impl Files {
    /// Adds a file. Bytes that are no text are replaced, and remembered for a finding.
    fn add(&mut self, path: String, bytes: Vec<u8>) {
        self.not_text.remove(&path);
        let mut text = String::from_utf8(bytes).unwrap_or_else(|error| {
            self.not_text.insert(path.clone(), error.utf8_error().valid_up_to());
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        // Some editors mark UTF-8 with it.
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        self.texts.insert(path, text);
    }

    /// Leaves the file and what it imports, directly or not.
    pub fn keep_connected(&mut self, file: &str) {
        let mut connected = BTreeSet::new();
        let mut open = vec![file.to_string()];
        while let Some(path) = open.pop() {
            let Some(text) = self.texts.get(&path) else { continue };
            if connected.insert(path.clone()) {
                open.extend(imports(&path, text));
            }
        }
        self.texts.retain(|path, _| connected.contains(path));
    }
}

/// The paths that a file imports.
pub(super) fn imports(path: &str, text: &str) -> Vec<String> {
    let items = patternc_grammar::parse(text).file.items;
    let uses = items.iter().filter_map(|item| match &item.kind {
        ItemKind::Use(import) => Some(&import.path.value),
        _ => None,
    });
    uses.filter_map(|import| imported_path(path, import)).collect()
}

/// Reads the files of the project at `root`, and finds the projects nested in it.
pub(super) fn read(root: &Path, wanted: &[PathBuf], overlays: &[Overlay]) -> Result<(Files, Vec<PathBuf>), Fault> {
    let overlay = overlays.iter().find(|overlay| overlay.path == root.join(CONFIG));
    let config = match overlay {
        Some(overlay) => Some(String::from_utf8_lossy(&overlay.bytes).into_owned()),
        None => read_config(root)?,
    };
    let included =
        globs(&included(config.as_deref())).map_err(|e| Fault::Use(format!("{}: `patterns`: {e}", root.join(CONFIG).display())))?;

    let mut files = Files { config, ..Files::default() };
    let nested = Arc::new(Mutex::new(Vec::new()));
    let (found, top) = (nested.clone(), root.to_path_buf());
    let walk = WalkBuilder::new(root)
        .require_git(false)
        .filter_entry(move |entry| {
            let is_nested = entry.path() != top && entry.file_type().is_some_and(|t| t.is_dir()) && entry.path().join(CONFIG).is_file();
            if is_nested {
                lock(&found).push(entry.path().to_path_buf());
            }
            !is_nested
        })
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            // The folder of a file that an editor has not written yet, or one that went away meanwhile.
            Err(error) if error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound) => continue,
            Err(error) => return Err(Fault::Use(format!("cannot read the project: {error}"))),
        };
        let Ok(relative) = entry.path().strip_prefix(root) else { continue };
        if entry.file_type().is_some_and(|t| t.is_file()) && included.is_match(relative) {
            match std::fs::read(entry.path()) {
                Ok(bytes) => files.add(slashed(relative), bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Fault::Read { path: entry.path().to_path_buf(), source }),
            }
        }
    }
    // A file that was asked for by name is checked even where the project leaves it out.
    for path in wanted.iter().filter(|p| p.is_file()) {
        if let Ok(relative) = path.strip_prefix(root) {
            let name = slashed(relative);
            if name != CONFIG && !files.texts.contains_key(&name) {
                files.add(name, read_bytes(path)?);
            }
        }
    }
    for overlay in overlays.iter().filter(|overlay| overlay.path.file_name().is_some_and(|name| name != CONFIG)) {
        let Ok(relative) = overlay.path.strip_prefix(root) else { continue };
        let home = root_of(overlay.path.parent().unwrap_or(root));
        let is_nested = home != root && home.join(CONFIG).is_file();
        if !is_nested {
            files.add(slashed(relative), overlay.bytes.clone());
        }
    }
    let nested = std::mem::take(&mut *lock(&nested));
    Ok((files, nested))
}

/// The text of the configuration of the project at `root`, if it has one.
fn read_config(root: &Path) -> Result<Option<String>, Fault> {
    let path = root.join(CONFIG);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Fault::Read { path, source }),
    }
}

/// Which files are patterns, by the text of a configuration.
fn included(config: Option<&str>) -> Vec<Box<str>> {
    config.map_or_else(Config::default, |text| config::parse(text).0).patterns
}

/// Whether two texts of a configuration say that other files are patterns. One that says it wrongly says nothing.
pub fn includes_others(old: &str, new: &str) -> bool {
    let new = included(Some(new));
    included(Some(old)) != new && globs(&new).is_ok()
}

/// The nearest folder upwards that has a configuration, or the folder itself.
pub(super) fn root_of(folder: &Path) -> PathBuf {
    folder.ancestors().find(|f| f.join(CONFIG).is_file()).unwrap_or(folder).to_path_buf()
}

fn globs(patterns: &[Box<str>]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern)?);
    }
    set.build()
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map(without_mark).map_err(|source| Fault::Read { path: path.to_path_buf(), source })
}

/// The text without the mark (U+FEFF) that some editors put before UTF-8: nobody sees it, and it says nothing.
pub fn without_mark(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    bytes
}

/// The path without `.` and `..`, by name only.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

pub(super) fn slashed(path: &Path) -> String {
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/").replacen("//", "/", 1)
}

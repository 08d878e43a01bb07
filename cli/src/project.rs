//! Finds a project on disk and puts it into a database.
//!
//! A project is the folder of the nearest `patternc.yaml` upwards of a path; without one, the path's own folder. All of its pattern
//! files are loaded, so that imports and uses across files are known; findings are shown for the paths that were asked for.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use patternc_compiler::config::{self, Config};
use patternc_compiler::db::{Database, SourceFile};

use crate::fault::Fault;

/// The name of the configuration file.
pub const CONFIG: &str = "patternc.yaml";

/// A loaded project.
pub struct Loaded {
    pub db: Database,
    /// The project's folder, as it is best shown: relative to the current folder where that is possible.
    pub root: PathBuf,
    /// What was asked for, relative to the root; a file is of interest if it is or lies below one of these.
    wanted: Vec<PathBuf>,
}

/// Text that stands for a file: `-` with `--stdin-filename`.
pub struct Overlay {
    pub path: PathBuf,
    pub text: String,
}

/// Loads the projects that the paths belong to, each once.
pub fn load(paths: &[PathBuf], overlay: Option<Overlay>) -> Result<Vec<Loaded>, Fault> {
    let here = std::env::current_dir().map_err(|source| Fault::Read { path: ".".into(), source })?;
    let mut wanted: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        let full = normal(&here.join(path));
        let is_overlay = overlay.as_ref().is_some_and(|o| normal(&here.join(&o.path)) == full);
        if !is_overlay && !full.exists() {
            return Err(Fault::Use(format!("there is no {}", path.display())));
        }
        let folder = if full.is_dir() { full.clone() } else { full.parent().unwrap_or(Path::new("/")).to_path_buf() };
        wanted.entry(root_of(&folder)).or_default().push(full);
    }
    wanted.into_iter().map(|(root, wanted)| load_root(&here, root, wanted, overlay.as_ref())).collect()
}

/// Loads the one project that the path belongs to.
pub fn load_one(path: &Path) -> Result<Loaded, Fault> {
    let mut loaded = load(&[path.to_path_buf()], None)?;
    Ok(loaded.pop().expect("one path gives one project"))
}

fn load_root(here: &Path, root: PathBuf, wanted: Vec<PathBuf>, overlay: Option<&Overlay>) -> Result<Loaded, Fault> {
    let mut db = Database::default();
    let config_path = root.join(CONFIG);
    let config_text = match std::fs::read_to_string(&config_path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(Fault::Read { path: config_path, source }),
    };
    let included = match &config_text {
        Some(text) => globs(&config::parse(text).0.patterns),
        None => globs(&Config::default().patterns),
    }
    .map_err(|e| Fault::Use(format!("{}: `patterns`: {e}", config_path.display())))?;

    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for entry in WalkBuilder::new(&root).hidden(true).require_git(false).build() {
        let entry = entry.map_err(|e| Fault::Use(format!("cannot read the project: {e}")))?;
        let Ok(relative) = entry.path().strip_prefix(&root) else { continue };
        if entry.file_type().is_some_and(|t| t.is_file()) && included.is_match(relative) {
            texts.insert(slashed(relative), read_text(entry.path())?);
        }
    }
    // A file that was asked for by name is checked even where the project leaves it out.
    for path in wanted.iter().filter(|p| p.is_file()) {
        if let Ok(relative) = path.strip_prefix(&root) {
            let name = slashed(relative);
            if name != CONFIG && !texts.contains_key(&name) {
                texts.insert(name, read_text(path)?);
            }
        }
    }
    if let Some(overlay) = overlay {
        let full = normal(&here.join(&overlay.path));
        if let Ok(relative) = full.strip_prefix(&root) {
            texts.insert(slashed(relative), overlay.text.clone());
        }
    }
    let files: Vec<(String, String)> = texts.into_iter().collect();
    db.set_project(&files, config_text.as_deref().map(|text| (CONFIG, text)));
    let wanted = wanted.iter().map(|p| p.strip_prefix(&root).unwrap_or(p).to_path_buf()).collect();
    let root = root.strip_prefix(here).map(Path::to_path_buf).unwrap_or(root);
    Ok(Loaded { db, root, wanted })
}

impl Loaded {
    /// Whether findings of this file were asked for.
    pub fn is_wanted(&self, file: SourceFile) -> bool {
        let path = Path::new(file.path(&self.db).as_ref());
        path == Path::new(CONFIG) || self.wanted.iter().any(|w| path.starts_with(w))
    }

    /// How a file of the project is shown.
    pub fn shown(&self, file: SourceFile) -> String {
        slashed(&self.root.join(file.path(&self.db).as_ref()))
    }
}

/// The nearest folder upwards that has a configuration, or the folder itself.
fn root_of(folder: &Path) -> PathBuf {
    folder.ancestors().find(|f| f.join(CONFIG).is_file()).unwrap_or(folder).to_path_buf()
}

fn globs(patterns: &[Box<str>]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern)?);
    }
    set.build()
}

/// Bytes that are not UTF-8 are an error with the place: a pattern file is text.
fn read_text(path: &Path) -> Result<String, Fault> {
    let bytes = std::fs::read(path).map_err(|source| Fault::Read { path: path.to_path_buf(), source })?;
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
        Fault::Use(format!("{}:{line}: not UTF-8: pattern files are UTF-8 text; save the file in that encoding", path.display()))
    })
}

/// The path without `.` and `..`, by name only.
fn normal(path: &Path) -> PathBuf {
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

fn slashed(path: &Path) -> String {
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/").replacen("//", "/", 1)
}

//! Finds a project on disk and puts it into a database.
//!
//! A project is the folder of the nearest `patternc.yaml` upwards of a path; without one, the path's own folder. All of its pattern
//! files are loaded, so that imports and uses across files are known; findings are shown for the paths that were asked for. A folder with
//! a `patternc.yaml` inside another is a project of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;
use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::config::{self, Config};
use patternc_compiler::db::{Database, Project, SourceFile};
use patternc_compiler::diagnostic::Diagnostic;
use patternc_compiler::ide::complete::Scratch;
use patternc_compiler::project_names::duplicates;
use patternc_compiler::resolve::{imported_path, scope};
use patternc_compiler::rules::syntax;
use patternc_grammar::syntax::{ItemKind, Span};

use crate::fault::Fault;

/// The name of the configuration file.
pub const CONFIG: &str = "patternc.yaml";

/// What may stand before the text of a file, and is no part of it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// A loaded project.
pub struct Loaded {
    pub db: Database,
    /// The project's folder, as it is best shown: relative to the current folder where that is possible.
    pub root: PathBuf,
    /// What was asked for, relative to the root; a file is of interest if it is or lies below one of these.
    wanted: Vec<PathBuf>,
    /// Where files stop being UTF-8, by path.
    not_text: BTreeMap<String, usize>,
    /// The project's folder, absolute.
    folder: PathBuf,
    /// What half-written text is looked at as.
    pub scratch: Scratch,
}

/// Text that stands for a file: `-` with `--stdin-filename`.
pub struct Overlay {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// Loads the projects that the paths belong to and those below them, each once. Without a `patternc.yaml`, files that nothing connects and
/// that declare the same names are projects of their own.
pub fn load(paths: &[PathBuf], overlay: Option<Overlay>) -> Result<Vec<Loaded>, Fault> {
    let here = current_folder()?;
    let overlay = overlay.map(|o| Overlay { path: normal(&here.join(&o.path)), bytes: o.bytes });
    let mut loaded = Vec::new();
    for (root, wanted, files) in found(&here, paths, overlay.as_ref())? {
        loaded.extend(separate(assemble(&here, root, &wanted, files)));
    }
    Ok(loaded)
}

/// Loads projects again of which some are loaded already. Those that are there still are taken out of `known`: what has not changed in them
/// stays known to their databases.
pub fn load_again(paths: &[PathBuf], overlay: Option<Overlay>, known: &mut Vec<Loaded>) -> Result<Vec<Loaded>, Fault> {
    let here = current_folder()?;
    let overlay = overlay.map(|o| Overlay { path: normal(&here.join(&o.path)), bytes: o.bytes });
    let mut loaded = Vec::new();
    for (root, wanted, files) in found(&here, paths, overlay.as_ref())? {
        // Without a configuration, what a folder's files declare says how many projects they are.
        let same = known.iter().position(|project| project.folder == root && files.config.is_some());
        match same.map(|same| known.swap_remove(same)) {
            Some(mut project) => {
                project.update(files);
                loaded.push(project);
            }
            None => loaded.extend(separate(assemble(&here, root, &wanted, files))),
        }
    }
    Ok(loaded)
}

/// Brings loaded projects up to what is on disk now; whether anything had changed. What has not stays known to their databases.
pub fn refresh(paths: &[PathBuf], projects: &mut Vec<Loaded>) -> Result<bool, Fault> {
    let here = current_folder()?;
    let fresh = found(&here, paths, None)?;
    let changed = |project: &Loaded, files: &Files| {
        let known = Project::get(&project.db).files(&project.db);
        let config = Project::get(&project.db).config(&project.db).map(|file| file.text(&project.db));
        known.len() != files.texts.len()
            || known.iter().any(|file| files.texts.get(&**file.path(&project.db)).is_none_or(|text| **text != **file.text(&project.db)))
            || config.map(|text| &**text) != files.config.as_deref()
    };
    // Files without a configuration may be several projects by what they declare.
    let as_before = fresh.len() == projects.len()
        && fresh.iter().zip(projects.iter()).all(|((root, ..), project)| *root == normal(&here.join(&project.root)));
    if !as_before {
        let now = load(paths, None)?;
        let texts = |projects: &[Loaded]| -> Vec<(String, String)> {
            let files = projects.iter().flat_map(|p| {
                let config = Project::get(&p.db).config(&p.db);
                Project::get(&p.db).files(&p.db).iter().copied().chain(config).map(|f| (p.shown(f), f.text(&p.db).to_string()))
            });
            files.collect()
        };
        let differs = texts(&now) != texts(projects);
        if differs {
            *projects = now;
        }
        return Ok(differs);
    }
    let mut any = false;
    for ((_, _, files), project) in fresh.into_iter().zip(projects.iter_mut()) {
        if changed(project, &files) {
            any = true;
            project.update(files);
        }
    }
    if any && projects.iter().any(|p| Project::get(&p.db).config(&p.db).is_none() && !duplicates(&p.db, Project::get(&p.db)).is_empty()) {
        *projects = load(paths, None)?;
    }
    Ok(any)
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
    for (root, wanted, mut files) in found(&here, paths, None)? {
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

fn current_folder() -> Result<PathBuf, Fault> {
    std::env::current_dir().map_err(|source| Fault::Read { path: ".".into(), source })
}

/// The projects that the paths belong to and those below them: where they are, what was asked for there, and their files.
type Found = Vec<(PathBuf, Vec<PathBuf>, Files)>;

fn found(here: &Path, paths: &[PathBuf], overlay: Option<&Overlay>) -> Result<Found, Fault> {
    let mut wanted: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        let full = normal(&here.join(path));
        if overlay.is_none_or(|o| o.path != full) && !full.exists() {
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
        let (files, nested) = read(&root, &wanted_here, overlay)?;
        for root in nested.into_iter().filter(|n| wanted_here.iter().any(|w| n.starts_with(w))) {
            wanted.entry(root.clone()).or_default().push(root);
        }
        all.push((root, wanted_here, files));
    }
    Ok(all)
}

/// Loads the one project that the path belongs to, all its files together.
pub fn load_one(path: &Path) -> Result<Loaded, Fault> {
    let here = current_folder()?;
    let full = normal(&here.join(path));
    if !full.exists() {
        return Err(Fault::Use(format!("there is no {}", path.display())));
    }
    let folder = if full.is_dir() { full.clone() } else { full.parent().unwrap_or(Path::new("/")).to_path_buf() };
    let root = root_of(&folder);
    let wanted = vec![full.clone()];
    let (mut files, _) = read(&root, &wanted, None)?;
    if full.is_file() && files.config.is_none() {
        files.keep_connected(&slashed(full.strip_prefix(&root).unwrap_or(&full)));
    }
    Ok(assemble(&here, root, &wanted, files))
}

/// The texts of a project by path, relative to its root.
#[derive(Default)]
struct Files {
    texts: BTreeMap<String, String>,
    config: Option<String>,
    /// Where files stop being UTF-8, by path.
    not_text: BTreeMap<String, usize>,
}

impl Files {
    /// Adds a file. Bytes that are no text are replaced, and remembered for a finding.
    fn add(&mut self, path: String, bytes: Vec<u8>) {
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
    fn keep_connected(&mut self, file: &str) {
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
fn imports(path: &str, text: &str) -> Vec<String> {
    let items = patternc_grammar::parse(text).file.items;
    let uses = items.iter().filter_map(|item| match &item.kind {
        ItemKind::Use(import) => Some(&import.path.value),
        _ => None,
    });
    uses.filter_map(|import| imported_path(path, import)).collect()
}

/// Reads the files of the project at `root`, and finds the projects nested in it.
fn read(root: &Path, wanted: &[PathBuf], overlay: Option<&Overlay>) -> Result<(Files, Vec<PathBuf>), Fault> {
    let config_path = root.join(CONFIG);
    let config = match std::fs::read_to_string(&config_path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(Fault::Read { path: config_path, source }),
    };
    let patterns = config.as_ref().map_or_else(Config::default, |text| config::parse(text).0).patterns;
    let included = globs(&patterns).map_err(|e| Fault::Use(format!("{}: `patterns`: {e}", config_path.display())))?;

    let mut files = Files { config, ..Files::default() };
    let nested = Arc::new(Mutex::new(Vec::new()));
    let (found, top) = (nested.clone(), root.to_path_buf());
    let walk = WalkBuilder::new(root)
        .require_git(false)
        .filter_entry(move |entry| {
            let is_nested = entry.path() != top && entry.file_type().is_some_and(|t| t.is_dir()) && entry.path().join(CONFIG).is_file();
            if is_nested {
                found.lock().expect("nothing panics while it holds the list").push(entry.path().to_path_buf());
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
    if let Some(overlay) = overlay
        && let Ok(relative) = overlay.path.strip_prefix(root)
    {
        let home = root_of(overlay.path.parent().unwrap_or(root));
        let is_nested = home != root && home.join(CONFIG).is_file();
        if !is_nested {
            files.add(slashed(relative), overlay.bytes.clone());
        }
    }
    let nested = std::mem::take(&mut *nested.lock().expect("nothing panics while it holds the list"));
    Ok((files, nested))
}

fn assemble(here: &Path, root: PathBuf, wanted: &[PathBuf], files: Files) -> Loaded {
    let mut db = Database::default();
    let texts: Vec<(&String, &String)> = files.texts.iter().collect();
    db.set_project(&texts, files.config.as_deref().map(|text| (CONFIG, text)));
    let wanted = wanted.iter().map(|p| p.strip_prefix(&root).unwrap_or(p).to_path_buf()).collect();
    let folder = root.clone();
    let root = root.strip_prefix(here).map(Path::to_path_buf).unwrap_or(root);
    Loaded { db, root, wanted, not_text: files.not_text, folder, scratch: Scratch::default() }
}

/// Without a `patternc.yaml` nobody said that the files of a folder belong together. Where they declare the same names, each file that no
/// other imports is a project, with what it imports.
fn separate(loaded: Loaded) -> Vec<Loaded> {
    let project = Project::get(&loaded.db);
    if project.config(&loaded.db).is_some() || duplicates(&loaded.db, project).is_empty() {
        return vec![loaded];
    }
    let mut groups: Vec<BTreeSet<SourceFile>> = Vec::new();
    for &file in project.files(&loaded.db) {
        let group = reachable(&loaded.db, file);
        if !groups.iter().any(|other| group.is_subset(other)) {
            groups.retain(|other| !other.is_subset(&group));
            groups.push(group);
        }
    }
    let mut shown = BTreeSet::new();
    let mut parts = Vec::new();
    for group in groups {
        let texts: Vec<(&str, &str)> = group.iter().map(|f| (&**f.path(&loaded.db), &**f.text(&loaded.db))).collect();
        let mut db = Database::default();
        db.set_project(&texts, None);
        let paths: BTreeSet<PathBuf> = texts.iter().map(|(path, _)| PathBuf::from(path)).collect();
        let fresh = paths.difference(&shown).filter(|path| loaded.is_path_wanted(path)).cloned().collect();
        let not_text = loaded.not_text.iter().filter(|(path, _)| paths.contains(Path::new(path))).map(|(p, at)| (p.clone(), *at)).collect();
        shown.extend(paths);
        parts.push(Loaded {
            db,
            root: loaded.root.clone(),
            wanted: fresh,
            not_text,
            folder: loaded.folder.clone(),
            scratch: Scratch::default(),
        });
    }
    parts
}

/// The file and everything it imports, directly or not.
fn reachable(db: &Database, file: SourceFile) -> BTreeSet<SourceFile> {
    let mut found = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        if found.insert(file) {
            open.extend(scope(db, file).imports.iter().filter_map(|import| import.file));
        }
    }
    found
}

impl Loaded {
    /// Takes the files as they are now.
    fn update(&mut self, files: Files) {
        let texts: Vec<(&String, &String)> = files.texts.iter().collect();
        self.db.set_project(&texts, files.config.as_deref().map(|text| (CONFIG, text)));
        self.not_text = files.not_text;
    }

    /// What is found in the project.
    pub fn findings(&self, options: &CheckOptions) -> Vec<Diagnostic> {
        let files = Project::get(&self.db).files(&self.db);
        let no_text = files.iter().filter_map(|&file| {
            let at = *self.not_text.get(&**file.path(&self.db))?;
            let message = "from here the file is not UTF-8 text, and pattern files are";
            Some(Diagnostic::error(syntax::RULE.name, file, Span::new(at, at), message).help("save the file in that encoding"))
        });
        check::look_at_all(&self.db);
        no_text.chain(check::check(&self.db, options)).collect()
    }

    /// Whether the file is text; what is not cannot be written back.
    pub fn is_text(&self, file: SourceFile) -> bool {
        !self.not_text.contains_key(&**file.path(&self.db))
    }

    /// The text of the file that was asked for, if it is one.
    pub fn only_wanted_text(&self) -> Option<String> {
        let mut wanted = Project::get(&self.db).files(&self.db).iter().filter(|file| self.is_wanted(**file));
        wanted.next().map(|file| file.text(&self.db).to_string())
    }

    /// The files that were asked for, as they are shown.
    pub fn wanted_files(&self) -> Vec<String> {
        let files = Project::get(&self.db).files(&self.db).iter().copied();
        files.filter(|file| self.is_wanted(*file)).map(|file| self.shown(file)).collect()
    }

    /// The project's folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a new text of a file may put it among others: without a configuration, what it imports says which files it belongs to.
    pub fn regroups(&self, path: &Path, text: &str) -> bool {
        let Some(file) = self.source(path).filter(|_| Project::get(&self.db).config(&self.db).is_none()) else { return false };
        let (name, old) = (file.path(&self.db), file.text(&self.db));
        // Most edits are none of an import, and cost no parse here.
        let lines = |text: &str| text.lines().filter(|line| line.contains("use")).map(str::to_owned).collect::<Vec<_>>();
        lines(old) != lines(text) && imports(name, old) != imports(name, text)
    }

    /// The file at an absolute path: a pattern, or the configuration.
    pub fn source(&self, path: &Path) -> Option<SourceFile> {
        let name = slashed(path.strip_prefix(&self.folder).ok()?);
        let project = Project::get(&self.db);
        let files = project.files(&self.db);
        match files.binary_search_by(|file| (**file.path(&self.db)).cmp(&name)) {
            Ok(index) => Some(files[index]),
            Err(_) => project.config(&self.db).filter(|config| **config.path(&self.db) == *name),
        }
    }

    /// Whether findings of this file stand in the way of what was asked for: it was, or is imported by one that was.
    pub fn concerns(&self, file: SourceFile) -> bool {
        let files = Project::get(&self.db).files(&self.db);
        self.is_wanted(file) || files.iter().any(|&wanted| self.is_wanted(wanted) && reachable(&self.db, wanted).contains(&file))
    }

    /// Whether findings of this file were asked for.
    pub fn is_wanted(&self, file: SourceFile) -> bool {
        self.is_path_wanted(Path::new(file.path(&self.db).as_ref()))
    }

    /// Whether a file of the project, by its path, was asked for.
    pub fn is_path_wanted(&self, path: &Path) -> bool {
        path == Path::new(CONFIG) || self.wanted.iter().any(|w| path.starts_with(w))
    }

    /// How a file of the project is shown.
    pub fn shown(&self, file: SourceFile) -> String {
        self.shown_path(file.path(&self.db))
    }

    /// How a file of the project is shown, by its path in the project.
    pub fn shown_path(&self, path: &str) -> String {
        slashed(&self.root.join(path))
    }

    /// The path in the project of a file that is given relative to the current folder; `None` if it lies elsewhere.
    pub fn inner_path(&self, file: &Path) -> Result<Option<String>, Fault> {
        let here = std::env::current_dir().map_err(|source| Fault::Read { path: ".".into(), source })?;
        let root = normal(&here.join(&self.root));
        Ok(normal(&here.join(file)).strip_prefix(root).ok().map(slashed))
    }

    /// The project with another text for one of its files, or one file more, and without another.
    pub fn with_file(&self, path: &str, text: &str, without: impl Fn(&str) -> bool) -> Loaded {
        let project = Project::get(&self.db);
        let others = project.files(&self.db).iter().map(|file| (&**file.path(&self.db), &**file.text(&self.db)));
        let mut texts: Vec<(&str, &str)> = others.filter(|(known, _)| *known != path && !without(known)).collect();
        texts.push((path, text));
        let mut db = Database::default();
        let config = project.config(&self.db).map(|file| file.text(&self.db).clone());
        db.set_project(&texts, config.as_deref().map(|text| (CONFIG, text)));
        Loaded {
            db,
            root: self.root.clone(),
            wanted: vec![PathBuf::from(path)],
            not_text: BTreeMap::new(),
            folder: self.folder.clone(),
            scratch: Scratch::default(),
        }
    }

    /// The text of a file, by its path in the project.
    pub fn text_of(&self, path: &str) -> Arc<str> {
        let files = Project::get(&self.db).files(&self.db);
        files.iter().find(|f| &**f.path(&self.db) == path).map_or_else(|| Arc::from(""), |f| f.text(&self.db).clone())
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

//! Finds a project on disk and puts it into a database.
//!
//! A project is the folder of the nearest `patternc.yaml` upwards of a path; without one, the path's own folder. All of its pattern
//! files are loaded, so that imports and uses across files are known; findings are shown for the paths that were asked for. A folder with
//! a `patternc.yaml` inside another is a project of its own.

pub mod deployment;
mod files;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use patternc_compiler::check::{self, CheckOptions};
use patternc_compiler::db::{Database, Project, SourceFile};
use patternc_compiler::diagnostic::{Diagnostic, Safety};
use patternc_compiler::fixes::{self, Choice, Followed};
use patternc_compiler::ide::complete::Scratch;
use patternc_compiler::location::locate;
use patternc_compiler::project_names::{duplicates, names_outside};
use patternc_compiler::resolve::{relative_path, scope};
use patternc_compiler::rules::syntax;
use patternc_grammar::syntax::Span;

pub use self::files::{
    BYTE_ORDER_MARK, CONFIG, Overlay, PatternFile, includes_others, is_from_stdin, no_files, no_files_unless_said, normal, pattern_files,
    without_mark,
};
use self::files::{Files, current_folder, found, imports, read, root_of, slashed};
use crate::baseline::Baseline;
use crate::fault::Fault;
use crate::fingerprint::Fingerprint;

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
    /// The path of the current folder in the project, where it lies there.
    inside: Option<String>,
    /// What half-written text is looked at as.
    pub scratch: Scratch,
}

/// Loads the projects that the paths belong to and those below them, each once. Without a `patternc.yaml`, files that nothing connects and
/// that declare the same names are projects of their own.
pub fn load(paths: &[PathBuf], overlays: Vec<Overlay>) -> Result<Vec<Loaded>, Fault> {
    let here = current_folder()?;
    let mut loaded = Vec::new();
    for (root, wanted, files) in found(&here, paths, overlays)? {
        loaded.extend(separate(assemble(&here, root, &wanted, files)));
    }
    Ok(loaded)
}

/// What to say where pattern files were asked for that are not there; a fault where somebody said that they are.
pub fn lacks_files(paths: &[PathBuf], projects: &[Loaded]) -> Result<Option<String>, Fault> {
    // A file that was named is there, and may be a `patternc.yaml`.
    if projects.iter().all(|project| project.wanted_files().is_empty()) && paths.iter().all(|path| path.is_dir()) {
        return no_files_unless_said(paths).map(Some);
    }
    let holds_others = |root: &Path| projects.iter().any(|other| other.folder != root && other.folder.starts_with(root));
    let lacking = |project: &&Loaded| {
        let is_configured = Project::get(&project.db).config(&project.db).is_some();
        is_configured && project.is_empty() && !holds_others(&project.folder)
    };
    let lacking: Vec<PathBuf> = projects.iter().filter(lacking).map(|project| project.root.clone()).collect();
    if lacking.is_empty() { Ok(None) } else { Err(no_files(&lacking)) }
}

/// Loads projects again of which some are loaded already. Those that are there still are taken out of `known`: what has not changed in them
/// stays known to their databases.
pub fn load_again(paths: &[PathBuf], overlays: Vec<Overlay>, known: &mut Vec<Loaded>) -> Result<Vec<Loaded>, Fault> {
    let here = current_folder()?;
    let mut loaded = Vec::new();
    for (root, wanted, files) in found(&here, paths, overlays)? {
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
    let fresh = found(&here, paths, Vec::new())?;
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
        let now = load(paths, Vec::new())?;
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
    if any && projects.iter().any(|p| Project::get(&p.db).config(&p.db).is_none() && !duplicates(&p.db).is_empty()) {
        *projects = load(paths, Vec::new())?;
    }
    Ok(any)
}

/// Loads the one project that the path belongs to, all its files together. Files that are programs of their own are none, and refused.
pub fn load_one(path: &Path) -> Result<Loaded, Fault> {
    let here = current_folder()?;
    let full = normal(&here.join(path));
    if !full.exists() {
        return Err(Fault::Use(format!("there is no {}", path.display())));
    }
    let folder = if full.is_dir() { full.clone() } else { full.parent().unwrap_or(Path::new("/")).to_path_buf() };
    let root = root_of(&folder);
    let wanted = vec![full.clone()];
    let (mut files, _) = read(&root, &wanted, &[])?;
    if full.is_file() && files.config.is_none() {
        files.keep_connected(&slashed(full.strip_prefix(&root).unwrap_or(&full)));
    }
    only_program(assemble(&here, root, &wanted, files), path)
}

/// The program that was asked for. Where that are several, none is taken for the one that was meant.
fn only_program(loaded: Loaded, path: &Path) -> Result<Loaded, Fault> {
    let Some(twice) = duplicates(&loaded.db).first().filter(|_| Project::get(&loaded.db).config(&loaded.db).is_none()) else {
        return Ok(loaded);
    };
    let programs = programs(&loaded);
    let meant = programs.iter().filter(|files| files.iter().any(|file| loaded.is_wanted(*file))).count();
    if meant > 1 {
        let places = twice.labels.iter().map(|label| label.at).chain([twice.primary.at]);
        let both: Vec<String> =
            places.filter_map(|at| locate(&loaded.db, at)).map(|(file, _)| format!("`{}`", loaded.shown(file))).collect();
        return Err(Fault::Use(format!(
            "{} is {meant} programs, not one: there is no {CONFIG}, and {} declare the same name. Name the file that is meant, or \
             write a {CONFIG} if they belong together",
            path.display(),
            both.join(" and "),
        )));
    }
    if programs.len() == 1 {
        return Ok(loaded);
    }
    let mut parts = separate(loaded);
    let asked = parts.iter().position(|part| !part.wanted.is_empty()).unwrap_or(0);
    Ok(parts.swap_remove(asked))
}

fn assemble(here: &Path, root: PathBuf, wanted: &[PathBuf], files: Files) -> Loaded {
    let mut db = Database::default();
    let texts: Vec<(&String, &String)> = files.texts.iter().collect();
    db.set_project(&texts, files.config.as_deref().map(|text| (CONFIG, text)));
    let wanted = wanted.iter().map(|p| p.strip_prefix(&root).unwrap_or(p).to_path_buf()).collect();
    let folder = root.clone();
    let inside = here.strip_prefix(&root).ok().map(slashed);
    let root = root.strip_prefix(here).map(Path::to_path_buf).unwrap_or(root);
    Loaded { db, root, wanted, not_text: files.not_text, folder, inside, scratch: Scratch::default() }
}

/// Without a `patternc.yaml` nobody said that the files of a folder belong together. Where they declare the same names, each file that no
/// other imports is a project, with what it imports.
fn separate(loaded: Loaded) -> Vec<Loaded> {
    let project = Project::get(&loaded.db);
    if project.config(&loaded.db).is_some() || duplicates(&loaded.db).is_empty() {
        return vec![loaded];
    }
    let mut shown = BTreeSet::new();
    let mut parts = Vec::new();
    for group in programs(&loaded) {
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
            inside: loaded.inside.clone(),
            scratch: Scratch::default(),
        });
    }
    parts
}

/// Each file that no other imports, with what it imports.
fn programs(loaded: &Loaded) -> Vec<BTreeSet<SourceFile>> {
    let mut groups: Vec<BTreeSet<SourceFile>> = Vec::new();
    for &file in Project::get(&loaded.db).files(&loaded.db) {
        let group = reachable(&loaded.db, file);
        if !groups.iter().any(|other| group.is_subset(other)) {
            groups.retain(|other| !other.is_subset(&group));
            groups.push(group);
        }
    }
    groups
}

/// Whether two files of the projects, which may share some, declare one name.
pub fn declare_twice<'a>(projects: impl Iterator<Item = &'a Loaded>) -> bool {
    let mut files = BTreeSet::new();
    let mut declared = BTreeSet::new();
    for loaded in projects {
        for &file in Project::get(&loaded.db).files(&loaded.db) {
            let is_new = files.insert(file.path(&loaded.db).clone());
            if is_new && !names_outside(&loaded.db, file).into_iter().all(|name| declared.insert(name)) {
                return true;
            }
        }
    }
    false
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

    /// Follows the fixes of what was asked for and is not in the baseline, in the database only.
    pub fn follow_fixes(&mut self, options: &CheckOptions, also_unsafe: bool, baseline: Option<&Baseline>) -> Followed {
        let project = Project::get(&self.db);
        let files = || project.files(&self.db).iter().copied().chain(project.config(&self.db));
        let wanted: BTreeSet<SourceFile> = files().filter(|file| self.is_wanted(*file)).collect();
        let text: BTreeSet<SourceFile> = files().filter(|file| self.is_text(*file)).collect();
        fixes::follow(&mut self.db, options, |db, findings| {
            let fingerprints = findings.iter().map(|finding| Fingerprint::of_finding(db, finding));
            let is_new = baseline.map(|baseline| baseline.new_ones(fingerprints).0);
            let mut asked = fixes::choices(findings, |finding, fix| {
                (also_unsafe || fix.safety == Safety::Safe)
                    && locate(db, finding.primary.at).is_some_and(|(file, _)| wanted.contains(&file))
                    && fix.edits.iter().all(|edit| text.contains(&edit.file))
            });
            asked.retain(|choice| is_new.as_ref().is_none_or(|is_new| is_new[choice.finding]));
            asked
        })
    }

    /// Takes fixes that do not work out of the findings of what was asked for.
    pub fn withdraw_flawed_fixes(&mut self, options: &CheckOptions, findings: &mut [Diagnostic]) {
        let mut choices = Vec::new();
        for (index, finding) in findings.iter_mut().enumerate() {
            if locate(&self.db, finding.primary.at).is_some_and(|(file, _)| self.is_wanted(file)) {
                finding.fixes.retain(|fix| fix.edits.iter().all(|edit| self.is_text(edit.file)));
                choices.extend((0..finding.fixes.len()).map(|fix| Choice { finding: index, fix }));
            }
        }
        if !choices.is_empty() {
            let flaws = fixes::flaws(&mut self.db, options, findings, choices);
            fixes::withdraw(findings, &flaws);
        }
    }

    /// Whether the file is text; what is not cannot be written back.
    fn is_text(&self, file: SourceFile) -> bool {
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

    /// Whether there are no pattern files.
    pub fn is_empty(&self) -> bool {
        Project::get(&self.db).files(&self.db).is_empty()
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

    /// Whether a new text of a file may declare other names than before. Without a configuration, names that several files declare say that
    /// those do not belong together.
    pub fn declares_others(&self, path: &Path, text: &str) -> bool {
        let Some(file) = self.source(path).filter(|_| Project::get(&self.db).config(&self.db).is_none()) else { return false };
        let words = ["record", "space", "extern", "mirror"];
        // Most edits are none of a declaration, and cost no look at what is declared.
        let lines =
            |text: &str| text.lines().filter(|line| words.iter().any(|word| line.contains(word))).map(str::to_owned).collect::<Vec<_>>();
        lines(file.text(&self.db)) != lines(text)
    }

    /// Whether a new text of the configuration says that other files are patterns.
    pub fn includes_others(&self, path: &Path, text: &str) -> bool {
        let config = Project::get(&self.db).config(&self.db).filter(|config| self.source(path) == Some(*config));
        config.is_some_and(|config| includes_others(config.text(&self.db), text))
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

    /// How a file of the project is shown, by its path in the project: from the current folder, where one of both folders holds the other.
    pub fn shown_path(&self, path: &str) -> String {
        match &self.inside {
            Some(inside) if !inside.is_empty() => relative_path(&format!("{inside}/"), path),
            _ => slashed(&self.root.join(path)),
        }
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
            inside: self.inside.clone(),
            scratch: Scratch::default(),
        }
    }

    /// The text of a file, by its path in the project.
    pub fn text_of(&self, path: &str) -> Arc<str> {
        let files = Project::get(&self.db).files(&self.db);
        files.iter().find(|f| &**f.path(&self.db) == path).map_or_else(|| Arc::from(""), |f| f.text(&self.db).clone())
    }
}

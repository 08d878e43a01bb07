//! Commands that look at the program, and read or check its files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use patternc_compiler::bodies;
use patternc_compiler::db::{Database, Project};
use patternc_compiler::effects::describe::{Describe, body_name, cell_path, failing_steps, failures, record_name};
use patternc_compiler::effects::{self, Grain, SendTarget, WriteKind};
use patternc_compiler::graph::{self, Edge, Node};
use patternc_compiler::hir::BodyOwner;
use patternc_compiler::location::owner_item;
use patternc_compiler::resolve::did_you_mean;
use patternc_grammar::parse;
use patternc_grammar::syntax::{Item, ItemKind};

use super::super::input::{Entry, Script};
use super::super::session::Session;
use super::super::{Next, enter};
use crate::fault::Fault;

/// Scripts that may load one another.
const DEPTH: usize = 16;

/// `:check`
pub fn check(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    let findings = session.findings();
    if findings.is_empty() {
        writeln!(out, "nothing found")?;
    }
    session.show(findings, out)?;
    Ok(true)
}

/// `:load FILE`
pub fn load(session: &mut Session, file: &str, out: &mut impl Write) -> Result<Next, Fault> {
    if file.is_empty() {
        writeln!(out, "which file? `:load FILE` enters what it has; `:reload` reads the files of the project again")?;
        return Ok(Next::Go(false));
    }
    if session.loading == DEPTH {
        writeln!(out, "{file} is not loaded: {DEPTH} files load one another already")?;
        return Ok(Next::Go(false));
    }
    if file.ends_with(".pattern")
        && let Ok(text) = std::fs::read_to_string(file)
    {
        let parsed = parse(&text);
        if parsed.errors.is_empty() {
            session.loading += 1;
            let result = load_patterns(session, file, &text, &parsed.file.items, out);
            session.loading -= 1;
            return result;
        }
    }
    let mut script = match File::open(file) {
        Ok(file) => Script::new(BufReader::new(file)),
        Err(error) => {
            writeln!(out, "cannot read {file}: {error}")?;
            return Ok(Next::Go(false));
        }
    };
    session.loading += 1;
    let mut all_well = true;
    let result = loop {
        if session.is_interrupted() {
            break Ok(Next::Go(false));
        }
        match script.next() {
            Ok(Entry::Text(text)) => match enter(session, &text, out) {
                Ok(Next::Go(well)) => all_well &= well,
                Ok(Next::Quit) => break Ok(Next::Quit),
                Err(fault) => break Err(fault),
            },
            Ok(Entry::NotText(line)) => {
                writeln!(out, "line {line} of {file} is not UTF-8 text, and is left out")?;
                all_well = false;
            }
            Ok(Entry::Cancelled | Entry::End) => break Ok(Next::Go(all_well)),
            Err(error) => {
                writeln!(out, "cannot read {file}: {error}")?;
                break Ok(Next::Go(false));
            }
        }
    };
    session.loading -= 1;
    result
}

/// Enters what a pattern file declares, unless it is one of the project, and what its tests do.
fn load_patterns(session: &mut Session, path: &str, text: &str, items: &[Item], out: &mut impl Write) -> Result<Next, Fault> {
    let inner = session.project.inner_path(Path::new(path))?;
    let db = &session.project.db;
    let is_known = Project::get(db).files(db).iter().any(|file| inner.as_deref() == Some(&**file.path(db)));
    let (mut entries, mut declared) = (Vec::new(), String::new());
    let mut end = 0;
    for item in items {
        // With the documentation before it.
        let from = std::mem::replace(&mut end, item.span.end as usize);
        match &item.kind {
            ItemKind::Test(test) => entries.extend(test.body.stmts.iter().map(|stmt| stmt.span.slice(text).to_owned())),
            _ if is_known => {}
            _ => declared.push_str(&text[from..end]),
        }
    }
    if !declared.trim().is_empty() {
        entries.insert(0, declared.trim_start().to_owned());
    }
    let mut all_well = true;
    for entry in entries {
        if session.is_interrupted() {
            return Ok(Next::Go(false));
        }
        match enter(session, &entry, out)? {
            Next::Go(well) => all_well &= well,
            Next::Quit => return Ok(Next::Quit),
        }
    }
    Ok(Next::Go(all_well))
}

/// `:graph`
pub fn graph(session: &Session, out: &mut impl Write) -> Result<bool, Fault> {
    let db = &session.project.db;
    let graph = graph::graph(db);
    let mut nodes: Vec<Node> = graph.graph.node_weights().copied().filter(|node| matches!(node, Node::Body(_) | Node::Arm(..))).collect();
    nodes.sort_by_key(|node| node.name(db));
    for node in nodes {
        let mut lines = BTreeSet::new();
        for (edge, to) in graph.from(node) {
            let how = match edge {
                Edge::Reads => "reads",
                Edge::Writes(..) => "writes",
                Edge::Calls => "calls",
                Edge::Sends { delayed: true, .. } => "sends later",
                Edge::Sends { .. } => "sends",
                Edge::Then { ok: true } => "then, if well,",
                Edge::Then { ok: false } => "then, if not,",
            };
            lines.insert(format!("  {how} {}", to.name(db)));
        }
        if !lines.is_empty() {
            writeln!(out, "{}", node.name(db))?;
            lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
    }
    Ok(true)
}

/// `:effects HANDLER`
pub fn effects(session: &Session, name: &str, out: &mut impl Write) -> Result<bool, Fault> {
    let db = &session.project.db;
    let graph = graph::graph(db);
    let bodies = graph.graph.node_weights().filter_map(|node| match node {
        Node::Body(owner) => Some((*owner, body_name(db, *owner))),
        _ => None,
    });
    let all: Vec<(BodyOwner, String)> = bodies.filter(|(_, body)| !body.is_empty()).collect();
    let whole: Vec<&(BodyOwner, String)> = all.iter().filter(|(_, body)| body == name).collect();
    let found = if whole.is_empty() {
        all.iter().filter(|(_, body)| body.rsplit_once('.').is_some_and(|(_, last)| last == name)).collect()
    } else {
        whole
    };
    match found.as_slice() {
        [(owner, body)] => {
            describe(db, *owner, body, out)?;
            Ok(true)
        }
        [] => {
            let names = all.iter().map(|(_, body)| body.as_str());
            let hint = did_you_mean(name, names).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            writeln!(out, "there is no handler `{name}`{hint}")?;
            Ok(false)
        }
        several => {
            let names: Vec<String> = several.iter().map(|(_, body)| format!("`{body}`")).collect();
            writeln!(out, "which one? {}", names.join(", "))?;
            Ok(false)
        }
    }
}

fn describe(db: &Database, owner: BodyOwner, name: &str, out: &mut impl Write) -> Result<(), Fault> {
    let body = owner_item(owner).and_then(|item| bodies::bodies(db, item.file).get(owner));
    let Some(body) = body else {
        writeln!(out, "{name} does nothing")?;
        return Ok(());
    };
    let words = Describe { db, body };
    let effects = effects::effects(db, owner);
    writeln!(out, "{name}")?;
    let mut lines: Vec<String> = Vec::new();
    for read in &effects.reads {
        let what = match (&read.grain, read.cell) {
            (Grain::Query, Some(cell)) => format!("{} of every {}", cell_path(db, cell), record_name(db, read.record)),
            (_, Some(cell)) => words.cell_of(&read.target, cell),
            (_, None) => format!("which {} there are", record_name(db, read.record)),
        };
        lines.push(format!("  reads   {what}, in {}", words.space(read.space)));
    }
    for write in &effects.writes {
        let what = match write.cell {
            Some(cell) => words.cell_of(&write.target, cell),
            None => record_name(db, write.record),
        };
        let how = match write.kind {
            WriteKind::Set => "sets",
            WriteKind::Append => "appends to",
            WriteKind::Add => "adds to",
            WriteKind::Insert => "inserts into",
            WriteKind::Remove => "removes from",
            WriteKind::Create => "creates",
            WriteKind::Delete => "deletes",
        };
        lines.push(format!("  writes  {how} {what}, in {}", words.space(write.space)));
    }
    for send in &effects.sends {
        let place = match send.to {
            SendTarget::Extern(_) => "the outside".to_owned(),
            _ => words.space(send.space),
        };
        let arms = match (&send.ok, &send.err) {
            (Some(_), Some(_)) => ", then `ok` or `err`",
            (Some(_), None) => ", then `ok`",
            (None, Some(_)) => ", then `err`",
            (None, None) => "",
        };
        lines.push(format!("  sends   {}, to {place}{arms}", words.event(send)));
    }
    lines.extend(failures(db, effects).iter().map(|way| format!("  fails   {way}")));
    for (step, ways) in failing_steps(db, effects) {
        lines.extend(ways.iter().map(|way| format!("  fails   {way}, in {}", words.event(step))));
    }
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    if lines.is_empty() {
        lines.push("  reads, writes and sends nothing".to_owned());
    }
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(())
}

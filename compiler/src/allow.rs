//! `@allow(rule-name, "why")`: warnings switched off at a place.

use patternc_grammar::syntax::{Allow, Expr, Item, ItemKind, MemberKind, Span, Stmt};

use crate::db::{Db, SourceFile};
use crate::diagnostic::{Diagnostic, Level, Location, Safety};
use crate::items::parsed;
use crate::location::{locate, removal};
use crate::mentions;
use crate::resolve::did_you_mean;
use crate::rules;

/// An `@allow` and what it stands before.
struct Scope<'a> {
    allow: &'a Allow,
    /// The declaration, member, statement or step.
    over: Span,
}

/// Takes away the findings that an `@allow` of the file switches off, and adds those about the allows themselves.
pub fn apply(db: &dyn Db, file: SourceFile, findings: &mut Vec<Diagnostic>) {
    let mut scopes = Collector::default();
    for item in &parsed(db, file).file.items {
        collect(item, &mut scopes);
    }
    let mut used = vec![false; scopes.0.len()];
    let mut of_errors = vec![false; scopes.0.len()];
    findings.retain(|finding| {
        let Some((at_file, at)) = locate(db, finding.primary.at) else { return true };
        let mut kept = true;
        for (index, scope) in scopes.0.iter().enumerate() {
            let covers = at_file == file && scope.over.start <= at.start && at.end <= scope.over.end;
            if !covers || scope.allow.rule.name.as_str() != finding.rule {
                continue;
            }
            if finding.level == Level::Error {
                of_errors[index] = true;
            } else {
                used[index] = true;
                kept = false;
            }
        }
        kept
    });
    let broken = !parsed(db, file).errors.is_empty();
    for (index, scope) in scopes.0.iter().enumerate() {
        about(file, file.text(db), scope.allow, used[index], of_errors[index], broken, findings);
    }
}

/// What is wrong with one `@allow`.
fn about(file: SourceFile, text: &str, allow: &Allow, used: bool, of_error: bool, broken: bool, findings: &mut Vec<Diagnostic>) {
    let (name, at) = (allow.rule.name.as_str(), Location::Span(file, allow.span));
    if rules::named(name).is_none() {
        let rule_at = Location::Span(file, allow.rule.span);
        let mut finding = rules::unknown_rule::RULE.at(rule_at, "no such rule", format!("there is no rule `{name}`: this allows nothing"));
        finding = match did_you_mean(name, rules::ALL.iter().map(|rule| rule.name)) {
            Some(meant) => finding.help(format!("did you mean `{meant}`?")).replace(
                format!("write `{meant}`"),
                Safety::Unsafe,
                file,
                allow.rule.span,
                meant,
            ),
            None => finding.help("`patternc explain --list` names them all"),
        };
        findings.push(finding);
        return;
    }
    if allow.reason.as_ref().is_none_or(|reason| reason.value.trim().is_empty()) {
        findings.push(
            rules::allow_without_reason::RULE
                .at(at, "no reason", format!("nobody will know why `{name}` is allowed here"))
                .help(format!("say why: `@allow({name}, \"because …\")`")),
        );
    }
    // With syntax errors, what it was written for may not have been looked at.
    if used || broken {
        return;
    }
    let unused = &rules::unused_allow::RULE;
    let gone = removal(text, allow.span);
    findings.push(if of_error {
        unused
            .at(at, "switches nothing off", format!("`{name}` is an error here, and an error cannot be allowed away"))
            .note("an error means that the promise of the language would be broken when it runs")
            .help("follow the way out of the error, and take the `@allow` away")
    } else {
        unused.at(at, "switches nothing off", format!("no `{name}` is reported here")).help("remove it").replace(
            "remove the `@allow`",
            Safety::Safe,
            file,
            gone,
            "",
        )
    });
}

/// Everything in an item that an `@allow` can stand before.
fn collect<'a>(item: &'a Item, scopes: &mut Collector<'a>) {
    scopes.add(&item.allows, item.span);
    if let ItemKind::Record(record) = &item.kind {
        for member in &record.members {
            scopes.add(&member.allows, member.span);
            if let MemberKind::Saga(saga) = &member.kind {
                for step in &saga.steps {
                    scopes.add(&step.allows, step.span);
                }
            }
        }
    }
    mentions::item(item, scopes);
}

#[derive(Default)]
struct Collector<'a>(Vec<Scope<'a>>);

impl<'a> Collector<'a> {
    fn add(&mut self, allows: &'a [Allow], over: Span) {
        self.0.extend(allows.iter().map(|allow| Scope { allow, over }));
    }
}

impl<'a> mentions::Visitor<'a> for Collector<'a> {
    fn stmt(&mut self, stmt: &'a Stmt) {
        self.add(&stmt.allows, stmt.span);
    }

    fn value(&mut self, allows: &'a [Allow], value: &'a Expr) {
        self.add(allows, value.span);
    }
}

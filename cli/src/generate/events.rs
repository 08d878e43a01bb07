//! The events that are made up, and the tests in which they come.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use patternc_compiler::bodies::bodies;
use patternc_compiler::db::{Database, Project};
use patternc_compiler::hir::ExprKind;
use patternc_compiler::visit;
use patternc_grammar::syntax::BinaryOp;
use patternc_interpreter::host::Random;
use patternc_program::{Cell, Extern, Field, Home, Place, Program, RecordId, Type};

use crate::scene::{Scene, name};

/// How many arguments are tried for one parameter, and how many calls of one handler on one record.
const VALUES: usize = 3;
const CALLS: usize = 12;

/// Numbers that cells begin with, where the patterns compare with none.
const SMALL: usize = 8;

/// What is made up for a program.
pub struct Generated {
    /// The statements that make the records and say what the outside answers, in different ways. In the first, records hold what they must
    /// hold and no more.
    setups: Vec<String>,
    calls: Vec<Call>,
    /// The types of which records are made, in this order.
    pub types: Vec<RecordId>,
    /// What is left out, a line each.
    pub left_out: Vec<String>,
}

/// An event.
struct Call {
    text: String,
    handler: String,
    /// Whether it names no record but the first of its type.
    first: bool,
}

/// What comes in a test, as positions of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// By number: how the records begin.
    pub setup: usize,
    /// One after the other; where one is refused, there is nothing to see.
    pub before: Vec<usize>,
    /// Then these, which may be refused.
    pub earlier: Vec<usize>,
    pub at_once: Vec<usize>,
}

impl Meeting {
    /// These at once, of records as they are made first.
    pub fn at_once(at_once: Vec<usize>) -> Self {
        Meeting { at_once, ..Meeting::default() }
    }
}

/// A record that is made.
struct Made {
    of: RecordId,
    number: usize,
    name: String,
    space: String,
}

/// Makes up `records` of each type that is wanted, and the calls of each handler that can be sent from outside.
/// `wide`: numbers that differ, for tests of which not all are run.
pub fn generate(db: &Database, program: &Program, records: usize, wide: bool, is_wanted: &dyn Fn(RecordId) -> bool) -> Generated {
    let scene = Scene { db, program };
    let mut generator = Generator { scene, literals: literals(db), records, wide, made: Vec::new(), left_out: Vec::new(), any: None };
    let (mut setup, types) = generator.make(is_wanted);
    for of in &program.externs {
        generator.answers(of, &mut setup);
    }
    let calls = generator.calls();
    Generated { setups: vec![setup], calls, types, left_out: generator.left_out }
}

/// One more way in which the same records begin: what they need not hold is drawn by this seed. `None` if they cannot be made so.
pub fn another_setup(db: &Database, program: &Program, records: usize, types: &[RecordId], seed: u64) -> Option<String> {
    let any = Some(Random::seeded(seed));
    let scene = Scene { db, program };
    let mut generator = Generator { scene, literals: literals(db), records, wide: true, made: Vec::new(), left_out: Vec::new(), any };
    let (mut setup, made) = generator.make(&|of| types.contains(&of));
    for of in &program.externs {
        generator.answers(of, &mut setup);
    }
    (made.len() == types.len()).then_some(setup)
}

impl Generated {
    /// How many different events there are.
    pub fn events(&self) -> usize {
        self.calls.len()
    }

    /// Records may begin so as well.
    pub fn add_setup(&mut self, setup: String) {
        self.setups.push(setup);
    }

    /// The last setup is none.
    pub fn drop_setup(&mut self) {
        self.setups.pop();
    }

    pub fn setups(&self) -> usize {
        self.setups.len()
    }

    /// The events of a handler or saga; all, if nobody outside can send any.
    pub fn of_handler(&self, handler: &str) -> Vec<usize> {
        let own: Vec<usize> = (0..self.calls.len()).filter(|&call| self.calls[call].handler == handler).collect();
        if own.is_empty() { (0..self.calls.len()).collect() } else { own }
    }

    /// A test drawn by chance, with one event of each of these sets at once, in this order, and up to two others before.
    pub fn draw(&self, at_once: &[Vec<usize>], random: &mut Random) -> Meeting {
        // Half of them on the first record of each type: what they do meets the more often.
        let near = random.below(2) == 0;
        let mut one = |of: &[usize]| {
            let first: Vec<usize> = of.iter().copied().filter(|&call| near && self.calls[call].first).collect();
            let of = if first.is_empty() { of } else { &first };
            of[random.below(of.len())]
        };
        let all: Vec<usize> = (0..self.calls.len()).collect();
        let at_once = at_once.iter().map(|of| one(of)).collect();
        let mut earlier = [one(&all), one(&all)].to_vec();
        earlier.truncate(random.below(3));
        Meeting { setup: random.below(self.setups.len()), before: Vec::new(), earlier, at_once }
    }

    /// Leaves out these events, and says why.
    pub fn leave_out(&mut self, bad: Vec<(usize, String)>) {
        let mut at = 0;
        let calls = std::mem::take(&mut self.calls).into_iter().enumerate();
        for (position, call) in calls {
            match bad.get(at).filter(|(bad, _)| *bad == position) {
                Some((_, why)) => {
                    self.left_out.push(format!("{} is not sent: {why}", call.text));
                    at += 1;
                }
                None => self.calls.push(call),
            }
        }
    }

    /// Sets of this many events, the same event perhaps several times, as positions. In order.
    pub fn sets(&self, size: usize) -> impl Iterator<Item = Vec<usize>> + '_ {
        let mut next = (!self.calls.is_empty() && size > 0).then(|| vec![0; size]);
        std::iter::from_fn(move || {
            let set = next.take()?;
            // The last that can still grow, and from there on all the same: each set once.
            if let Some(at) = set.iter().rposition(|&call| call + 1 < self.calls.len()) {
                let mut following = set.clone();
                let call = set[at] + 1;
                following[at..].iter_mut().for_each(|one| *one = call);
                next = Some(following);
            }
            Some(set)
        })
    }

    /// The handler or saga of an event: "Person.link".
    pub fn handler(&self, call: usize) -> &str {
        &self.calls[call].handler
    }

    /// The test in which these events come. In `concurrently`, that one is refused is no failure of the test.
    pub fn test(&self, name: &str, meeting: &Meeting) -> String {
        let mut text = format!("test \"{name}\" {{\n{}", self.setups[meeting.setup]);
        for &call in &meeting.before {
            let _ = writeln!(text, "  {}", self.calls[call].text);
        }
        for &call in &meeting.earlier {
            let _ = writeln!(text, "  concurrently {{ {} }}", self.calls[call].text);
        }
        if !meeting.at_once.is_empty() {
            text.push_str("  concurrently {\n");
            for &call in &meeting.at_once {
                let _ = writeln!(text, "    {}", self.calls[call].text);
            }
            text.push_str("  }\n");
        }
        text.push_str("  expect true\n}\n");
        text
    }
}

struct Generator<'a> {
    scene: Scene<'a>,
    literals: Literals,
    /// How many of each type.
    records: usize,
    wide: bool,
    made: Vec<Made>,
    left_out: Vec<String>,
    /// Draws what cells hold that need not hold anything.
    any: Option<Random>,
}

impl Generator<'_> {
    /// The statements that make the records: a type after those that it needs. With the types, in this order.
    fn make(&mut self, is_wanted: &dyn Fn(RecordId) -> bool) -> (String, Vec<RecordId>) {
        let program = self.scene.program;
        let mut setup = String::new();
        let types = (0..program.records.len()).map(|index| RecordId(index as u32));
        // What the runtime keeps for mirrors, nobody creates.
        let kept = |of: RecordId| program.mirrors.iter().any(|mirror| mirror.ledger == of || mirror.tokens == Some(of));
        let mut waiting: Vec<RecordId> = types.filter(|of| !kept(*of) && is_wanted(*of)).collect();
        if let Some(any) = &mut self.any {
            // Those that are made later can be linked to those that are there.
            (1..waiting.len()).for_each(|at| waiting.swap(at, any.below(at + 1)));
        }
        let mut made = Vec::new();
        loop {
            let before = waiting.len();
            let mut why = Vec::new();
            waiting.retain(|&of| match self.make_type(of) {
                Ok(lines) => {
                    setup.push_str(&lines);
                    made.push(of);
                    false
                }
                Err(reason) => {
                    why.push(format!("no {} is made: {reason}", program.record(of).name));
                    true
                }
            });
            if waiting.is_empty() || waiting.len() == before {
                self.left_out.append(&mut why);
                return (setup, made);
            }
        }
    }

    fn make_type(&mut self, of: RecordId) -> Result<String, String> {
        let already = self.made.len();
        let mut lines = String::new();
        for number in 0..self.records {
            match self.make_one(of, number) {
                Ok(line) => lines.push_str(&line),
                Err(why) => {
                    self.made.truncate(already);
                    return Err(why);
                }
            }
        }
        Ok(lines)
    }

    fn make_one(&mut self, of: RecordId, number: usize) -> Result<String, String> {
        let program = self.scene.program;
        let declared = program.record(of);
        let name = format!("{}{}", snake(&declared.name), number + 1);
        let made = Made { of, number, name: name.clone(), space: self.scene.space(of, number)? };
        let mut cells = Vec::new();
        for (index, cell) in declared.cells.iter().enumerate() {
            let alone = cell.unique || declared.key.is_some_and(|key| key.index() == index);
            let value = match cell.default.is_some() || matches!(cell.ty, Type::Optional(_)) && !cell.unique {
                true if alone => continue,
                true => match self.begins_with(&made, cell) {
                    Some(value) => value,
                    None => continue,
                },
                false if alone || !matches!(cell.ty, Type::List(_) | Type::Set(_) | Type::Map(..)) => self.must_hold(&made, cell)?,
                false => self.begins_with(&made, cell).map_or_else(|| self.must_hold(&made, cell), Ok)?,
            };
            cells.push(format!("{}: {value}", cell.name));
        }
        let cells = if cells.is_empty() { String::new() } else { format!("{} ", cells.join(", ")) };
        let line = format!("  let {name} = create {} in {} {{ {cells}}}\n", declared.name, made.space);
        self.made.push(made);
        Ok(line)
    }

    fn must_hold(&self, to: &Made, cell: &Cell) -> Result<String, String> {
        let called = |of: RecordId| self.nearest(of, to.number).map(|made| made.name.clone());
        self.scene.value(&cell.ty, to.number, &called)
    }

    /// What a cell holds that may hold something else as well; `None`: what it holds anyway.
    fn begins_with(&mut self, to: &Made, cell: &Cell) -> Option<String> {
        let mut any = self.any.take()?;
        let value = self.drawn(to, &cell.ty, &mut any);
        self.any = Some(any);
        value
    }

    fn drawn(&self, to: &Made, ty: &Type, any: &mut Random) -> Option<String> {
        // What it holds anyway is often what makes things go on.
        if any.below(if matches!(ty, Type::Bool | Type::Int | Type::Enum(..)) { 2 } else { 4 }) == 0 {
            return None;
        }
        match ty {
            Type::Bool => Some((any.below(2) == 0).to_string()),
            Type::Int => {
                let known: Vec<i64> = self.literals.ints.iter().copied().collect();
                Some(match any.below(2) {
                    0 if !known.is_empty() => known[any.below(known.len())].saturating_add(any.below(4) as i64 - 1).to_string(),
                    _ => any.below(SMALL).to_string(),
                })
            }
            Type::Optional(inner) => match any.below(3) {
                0 => None,
                _ => self.one_of(to, inner, any),
            },
            // Those that are there, mostly all of them.
            Type::List(inner) | Type::Set(inner) => {
                let mut values = self.values(to, inner).ok()?;
                values.retain(|_| any.below(5) > 0);
                let values = values.join(", ");
                Some(if matches!(ty, Type::Set(_)) { format!("Set[{values}]") } else { format!("[{values}]") })
            }
            Type::Map(key, value) => {
                let (key, value) = (self.one_of(to, key, any)?, self.one_of(to, value, any)?);
                Some(format!("Map[{key}: {value}]"))
            }
            Type::Enum(..) => self.one_of(to, ty, any),
            _ => None,
        }
    }

    fn one_of(&self, to: &Made, ty: &Type, any: &mut Random) -> Option<String> {
        let mut values = self.values(to, ty).ok()?;
        (!values.is_empty()).then(|| values.swap_remove(any.below(values.len())))
    }

    /// The record of a type that has this number, or the last.
    fn nearest(&self, of: RecordId, number: usize) -> Option<&Made> {
        self.made.iter().filter(|made| made.of == of && made.number <= number).max_by_key(|made| made.number)
    }

    /// What the outside answers, where the test says nothing else.
    fn answers(&mut self, of: &Extern, setup: &mut String) {
        for operation in &of.operations {
            let called = |of: RecordId| self.nearest(of, 0).map(|made| made.name.clone());
            // Whatever stands for an answer without a value.
            let answer = operation.result.as_ref().map_or(Ok("true".to_owned()), |ty| self.scene.value(ty, 0, &called));
            match answer {
                Ok(value) => _ = writeln!(setup, "  given {}.{} => {value}", of.name, operation.name),
                Err(why) => self.left_out.push(format!("nothing answers {}.{}: {why}", of.name, operation.name)),
            }
        }
    }

    fn calls(&mut self) -> Vec<Call> {
        let program = self.scene.program;
        let mut calls = Vec::new();
        let mut left_out = Vec::new();
        for made in &self.made {
            let declared = program.record(made.of);
            let handlers = declared.handlers.iter().map(|id| program.handler(*id)).filter(|handler| !handler.internal);
            let handlers = handlers.map(|handler| (handler.name, &handler.params));
            let sagas = declared.sagas.iter().map(|id| &program.sagas[id.index()]).map(|saga| (saga.name, &saga.params));
            for (name, params) in handlers.chain(sagas) {
                match self.arguments(made, params) {
                    Ok(lists) if lists.is_empty() => {
                        let none = |field: &&Field| matches!(field.ty, Type::Record(of, _) if !self.made.iter().any(|made| made.of == of));
                        if let Some(field) = params.iter().find(none).filter(|_| made.number == 0) {
                            left_out.push(format!("{}.{name} is not sent: there is no record for `{}`", declared.name, field.name));
                        }
                    }
                    Ok(mut lists) => {
                        if lists.len() > CALLS {
                            left_out.push(format!("{}.{name}: {CALLS} of {} lists of arguments", made.name, lists.len()));
                            lists.truncate(CALLS);
                        }
                        for args in &lists {
                            let other = |arg: &String| self.made.iter().any(|made| made.number > 0 && arg.contains(&made.name));
                            let first = made.number == 0 && !args.iter().any(other);
                            let (text, handler) =
                                (format!("{}.{name}({})", made.name, args.join(", ")), format!("{}.{name}", declared.name));
                            if self.literals.callers {
                                // Who has the key of the first record.
                                let text = format!("as \"{}\" {{ {text} }}", crate::scene::name(0));
                                calls.push(Call { text, handler: handler.clone(), first });
                            }
                            calls.push(Call { text, handler, first });
                        }
                    }
                    Err(why) if made.number == 0 => left_out.push(format!("{}.{name} is not sent: {why}", declared.name)),
                    Err(_) => {}
                }
            }
        }
        self.left_out.append(&mut left_out);
        calls
    }

    /// Every list of arguments, each parameter changing slower than those after it.
    fn arguments(&self, to: &Made, params: &[Field]) -> Result<Vec<Vec<String>>, String> {
        let mut lists: Vec<Vec<String>> = vec![Vec::new()];
        for param in params {
            let values = self.values(to, &param.ty)?;
            let longer = |list: &Vec<String>| values.iter().map(|value| list.iter().chain([value]).cloned().collect()).collect::<Vec<_>>();
            lists = lists.iter().flat_map(longer).collect();
        }
        Ok(lists)
    }

    /// The values that a parameter takes.
    fn values(&self, to: &Made, ty: &Type) -> Result<Vec<String>, String> {
        let number = to.number;
        let called = |of: RecordId| self.nearest(of, number).map(|made| made.name.clone());
        let distinct = |values: Vec<String>| {
            let mut seen = BTreeSet::new();
            values.into_iter().filter(|value| seen.insert(value.clone())).take(VALUES).collect::<Vec<_>>()
        };
        Ok(match ty {
            Type::Bool => vec!["true".to_owned(), "false".to_owned()],
            Type::Int => {
                let two = self.wide.then(|| "2".to_owned());
                distinct(std::iter::once("1".to_owned()).chain(two).chain(self.literals.ints.iter().map(i64::to_string)).collect())
            }
            Type::Text => {
                // Keys that records have, and one that none has.
                let keys = [self.records, 0, 1].map(name);
                let texts = self.literals.texts.iter().take(VALUES - 1).cloned().chain(keys);
                distinct(texts.map(|text| quoted(&text)).collect())
            }
            Type::Optional(inner) => {
                let mut values = vec!["none".to_owned()];
                values.extend(self.values(to, inner)?);
                distinct(values)
            }
            Type::List(inner) | Type::Set(inner) => {
                let (open, close) = if matches!(ty, Type::Set(_)) { ("Set[", "]") } else { ("[", "]") };
                let mut values = vec![format!("{open}{close}")];
                values.extend(self.values(to, inner)?.first().map(|value| format!("{open}{value}{close}")));
                values
            }
            Type::Enum(of, _) => {
                let declared = &self.scene.program.enums[of.index()];
                let variants = declared.variants.iter().map(|variant| {
                    let fields = variant.fields.iter().map(|field| {
                        let first = self.values(to, &field.ty)?.into_iter().next().ok_or("a field has no value")?;
                        Ok(format!("{}: {first}", field.name))
                    });
                    let fields = fields.collect::<Result<Vec<_>, String>>()?;
                    Ok(self.scene.variant(&declared.name, variant, &fields.join(", ")))
                });
                variants.collect::<Result<Vec<_>, String>>()?
            }
            Type::Record(of, place) => {
                let fits = |made: &&Made| match place {
                    Place::Any => true,
                    Place::Plain(space) => self.scene.program.spaces[space.index()].name == made.space,
                    Place::Here => made.space == to.space || matches!(self.scene.program.record(*of).home, Home::Plain(_)),
                };
                self.made.iter().filter(|made| made.of == *of).filter(fits).map(|made| made.name.clone()).collect()
            }
            _ => vec![self.scene.value(ty, number, &called)?],
        })
    }
}

/// What the patterns compare with, so that their conditions go both ways.
#[derive(Default)]
struct Literals {
    ints: BTreeSet<i64>,
    texts: BTreeSet<String>,
    /// Whether they ask who sent an event.
    callers: bool,
}

fn literals(db: &Database) -> Literals {
    let mut literals = Literals::default();
    for file in Project::get(db).files(db) {
        for body in &bodies(db, *file).bodies {
            visit::body(body, &mut |expr| {
                literals.callers |= matches!(expr.kind, ExprKind::Caller);
                if let ExprKind::Binary {
                    op: BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge,
                    left,
                    right,
                } = &expr.kind
                {
                    for side in [left, right] {
                        match &side.kind {
                            ExprKind::Int(n) => _ = literals.ints.insert(*n),
                            ExprKind::Text(text) => _ = literals.texts.insert(text.to_string()),
                            _ => {}
                        }
                    }
                }
            });
        }
    }
    literals
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('{', "\\{").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// `SpaceRecord` as `space_record`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// The number of sets of `size` out of `events`, the same perhaps several times.
pub fn count(events: usize, size: usize) -> usize {
    (0..size).fold(1usize, |sets, at| sets.saturating_mul(events + at) / (at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_comes_once() {
        let generated = Generated {
            setups: vec![String::new()],
            calls: ["a", "b", "c"].map(|text| Call { text: text.into(), handler: text.into(), first: true }).into(),
            types: Vec::new(),
            left_out: Vec::new(),
        };
        for size in 1..4 {
            let sets: Vec<Vec<usize>> = generated.sets(size).collect();
            assert_eq!(sets.len(), count(3, size));
            assert!(sets.windows(2).all(|pair| pair[0] < pair[1]), "{sets:?}");
            assert!(sets.iter().all(|set| set.is_sorted()), "{sets:?}");
        }
    }
}

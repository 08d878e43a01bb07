//! The body of a generated handler.

use super::model::{Answer, Cell, Home, Model, PLAIN, Param, Place, Refs, Shape, Written};
use super::tape::Tape;

/// Something in reach: a reference (`shape` is `None`), or something with references in it.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) shape: Option<Shape>,
    pub(super) target: usize,
    pub(super) place: Place,
    /// The name of a local, which the checker can remember things about.
    pub(super) local: bool,
}

/// Writes statements, and keeps what is in reach of them.
pub struct BodyWriter<'m, 't, 'n> {
    pub(super) model: &'m Model,
    /// The position of the handler: it may use earlier ones.
    pub(super) position: usize,
    pub(super) tape: &'t mut Tape<'n>,
    pub(super) values: Vec<Value>,
    pub(super) names: usize,
    out: String,
    pub(super) indent: usize,
    /// Sends and calls inside a loop multiply.
    pub(super) loops: usize,
    /// Inside an arm of a send.
    pub(super) arms: usize,
}

impl<'m, 't, 'n> BodyWriter<'m, 't, 'n> {
    pub fn new(model: &'m Model, position: usize, tape: &'t mut Tape<'n>) -> Self {
        let handler = &model.handlers[position];
        let mut writer =
            BodyWriter { model, position, tape, values: Vec::new(), names: 0, out: String::new(), indent: 2, loops: 0, arms: 0 };
        writer.values.push(Value { text: "self".into(), shape: None, target: handler.record, place: Place::Here, local: false });
        for (number, param) in handler.params.iter().enumerate() {
            let (target, written, shape) = match param {
                Param::Int => continue,
                Param::Ref { target, written } => (*target, *written, None),
                Param::Refs(refs) => (refs.target, refs.written, Some(refs.shape)),
            };
            let place = writer.place(target, written, Place::Here);
            writer.values.push(Value { text: format!("p{number}"), shape, target, place, local: true });
        }
        writer
    }

    /// The statements of the handler, a line each.
    pub fn handler(mut self) -> String {
        self.block(0);
        match self.model.handlers[self.position].answer.clone() {
            Answer::Nothing => {}
            Answer::Int => {
                if !self.deferred(|_, _, answer| matches!(answer, Answer::Int)) {
                    self.line("return self.n");
                }
            }
            Answer::Ref { target, written } => {
                let wanted = self.place(target, written, Place::Here);
                let daring = self.tape.one_in(self.model.caution);
                let same = |writer: &Self, of: &Value, answer: &Answer| match answer {
                    Answer::Ref { target: found, written } => {
                        *found == target && (daring || writer.fits(&writer.seen(of, *found, *written), &wanted))
                    }
                    Answer::Nothing | Answer::Int => false,
                };
                if self.deferred(same) {
                    return self.out;
                }
                let value = self.reference(target, &wanted).unwrap_or_else(|| "none".into());
                self.line(&format!("return {value}"));
            }
        }
        self.out
    }

    pub(super) fn home(&self) -> Home {
        self.model.records[self.model.handlers[self.position].record].home
    }

    pub(super) fn line(&mut self, text: &str) {
        self.out.push_str(&"  ".repeat(self.indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    pub(super) fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// Where a reference of this written type is, seen from here, when it belongs to something at `holder`.
    pub(super) fn place(&self, target: usize, written: Written, holder: Place) -> Place {
        match (self.model.records[target].home, written) {
            (Home::Plain(at), _) | (_, Written::At(at)) => Place::At(at),
            (_, Written::Any) => Place::Any,
            (_, Written::Plain) => holder,
        }
    }

    /// The same for what belongs to a value in reach.
    pub(super) fn seen(&self, of: &Value, target: usize, written: Written) -> Place {
        let holder = match &of.place {
            Place::Any if of.local => Place::Of(of.text.clone()),
            other => other.clone(),
        };
        self.place(target, written, holder)
    }

    pub(super) fn normal(&self, place: &Place) -> Place {
        match (place, self.home()) {
            (Place::Here, Home::Plain(at)) => Place::At(at),
            _ => place.clone(),
        }
    }

    pub(super) fn fits(&self, value: &Place, wanted: &Place) -> bool {
        *wanted == Place::Any || self.normal(value) == self.normal(wanted)
    }

    pub(super) fn writable(&self, place: &Place) -> bool {
        let across = &self.model.handlers[self.position].across;
        match self.normal(place) {
            Place::Here => true,
            Place::At(at) => self.home() == Home::Plain(at) || across.contains(&at),
            Place::Of(_) | Place::Any => false,
        }
    }

    /// A reference in reach that should fit; now and then one that may not.
    pub(super) fn reference(&mut self, target: usize, wanted: &Place) -> Option<String> {
        let daring = self.tape.one_in(self.model.caution);
        let fitting: Vec<String> = self
            .values
            .iter()
            .filter(|v| v.shape.is_none() && v.target == target && (daring || self.fits(&v.place, wanted)))
            .map(|v| v.text.clone())
            .collect();
        self.tape.pick(&fitting).cloned()
    }

    /// A reference, made if there is none.
    pub(super) fn some_reference(&mut self, target: usize, wanted: &Place) -> Option<String> {
        if let Some(found) = self.reference(target, wanted) {
            return Some(found);
        }
        self.create(target, wanted)
    }

    /// Creates a record where it is wanted, and gives its name.
    pub(super) fn create(&mut self, target: usize, wanted: &Place) -> Option<String> {
        let space = match (self.model.records[target].home, self.normal(wanted)) {
            (Home::Plain(at), _) if self.writable(&Place::At(at)) => String::new(),
            (Home::Floating, Place::Here) => String::new(),
            (Home::Floating, Place::Any) => String::new(),
            (Home::Floating, Place::At(at)) if self.writable(&Place::At(at)) => format!(" in {}", PLAIN[at]),
            (Home::Family, Place::Here | Place::Any) if self.home() == Home::Family => String::new(),
            _ => return None,
        };
        let place = match self.model.records[target].home {
            Home::Plain(at) => Place::At(at),
            _ if space.is_empty() => Place::Here,
            _ => wanted.clone(),
        };
        let given = self.given_cell(target, &place);
        let name = self.name();
        self.line(&format!("let {name} = create R{target}{space} {{ n: {}{given} }}", self.names));
        self.values.push(Value { text: name.clone(), shape: None, target, place, local: true });
        Some(name)
    }

    /// Perhaps a cell for a new record that will be at `place`.
    pub(super) fn given_cell(&mut self, target: usize, place: &Place) -> String {
        if !self.tape.one_in(2) {
            return String::new();
        }
        let fitting = self.model.records[target].cells.clone();
        let Some(cell) = self.tape.pick(&fitting) else { return String::new() };
        let Refs { shape, target, written } = cell.refs;
        let wanted = self.place(target, written, place.clone());
        let Some(value) = self.reference(target, &wanted) else { return String::new() };
        format!(", {}: {}", cell.name, whole(shape, target, &value))
    }

    /// A reference in reach that may be written.
    pub(super) fn writable_value(&mut self) -> Value {
        let daring = self.tape.one_in(self.model.caution);
        let found: Vec<Value> = self.values.iter().filter(|v| v.shape.is_none() && (daring || self.writable(&v.place))).cloned().collect();
        self.tape.pick(&found).cloned().unwrap_or_else(|| self.values[0].clone())
    }

    pub(super) fn any_reference(&mut self) -> Value {
        let found: Vec<Value> = self.values.iter().filter(|v| v.shape.is_none()).cloned().collect();
        self.tape.pick(&found).cloned().unwrap_or_else(|| self.values[0].clone())
    }

    /// Something with references in it: in reach, or a cell of what is in reach.
    pub(super) fn holder(&mut self) -> Option<Value> {
        let held: Vec<Value> = self.values.iter().filter(|v| v.shape.is_some()).cloned().collect();
        if !held.is_empty() && self.tape.one_in(3) {
            return self.tape.pick(&held).cloned();
        }
        let of = self.any_reference();
        let record = &self.model.records[of.target];
        let cells: Vec<&Cell> = record.cells.iter().chain(&record.via).collect();
        let cell = (*self.tape.pick(&cells)?).clone();
        let Refs { shape, target, written } = cell.refs;
        let place = self.seen(&of, target, written);
        Some(Value { text: format!("{}.{}", of.text, cell.name), shape: Some(shape), target, place, local: false })
    }

    pub(super) fn block(&mut self, depth: usize) {
        let most = if depth == 0 { 6 } else { 3 };
        for _ in 0..self.tape.between(1, most) {
            self.statement(depth);
        }
    }

    /// A block in braces after `head`, with what it binds in reach.
    pub(super) fn nested(&mut self, head: &str, bound: Vec<Value>, depth: usize) {
        self.line(&format!("{head} {{"));
        let before = self.values.clone();
        self.values.extend(bound);
        self.indent += 1;
        self.block(depth + 1);
        self.indent -= 1;
        self.values = before;
        self.line("}");
    }
}

/// A value of this shape with one reference in it.
pub(super) fn whole(shape: Shape, target: usize, value: &str) -> String {
    match shape {
        Shape::Optional => value.to_string(),
        Shape::Set => format!("Set[{value}]"),
        Shape::List => format!("[{value}]"),
        Shape::Map => format!("Map[\"k\": {value}]"),
        Shape::Struct => format!("Box{target} {{ who: {value}, more: [] }}"),
        Shape::Enum => format!("Case{target}.one(who: {value})"),
    }
}

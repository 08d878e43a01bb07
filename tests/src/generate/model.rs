//! What a generated pattern declares, and what the generator believes of where records are.
//!
//! The belief only steers: most of what is generated should pass the checker. Whether it may pass is the checker's to say.

use super::tape::Tape;

/// The plain spaces, and one family, of every generated pattern.
pub const PLAIN: [&str; 2] = ["s0", "s1"];

/// Where the instances of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    Plain(usize),
    Family,
    Floating,
}

/// Where a reference points, as seen from the body it is used in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Here,
    At(usize),
    /// Where the record in this local is.
    Of(String),
    Any,
}

/// How the type of a reference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Plain,
    Any,
    At(usize),
}

/// What holds references in a cell or parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Optional,
    Set,
    List,
    Map,
    /// `Box { who, more }`, optional.
    Struct,
    /// `Case { empty, one(who), many(all) }`.
    Enum,
}

/// A type with references of one record type in it.
#[derive(Clone, Copy, Debug)]
pub struct Refs {
    pub shape: Shape,
    pub target: usize,
    pub written: Written,
}

#[derive(Clone, Debug)]
pub struct Cell {
    pub name: String,
    pub refs: Refs,
    /// The cell at the other end; of a derived cell, the cell it is derived from.
    pub other: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Param {
    Int,
    /// One reference.
    Ref {
        target: usize,
        written: Written,
    },
    Refs(Refs),
}

#[derive(Clone, Debug)]
pub enum Answer {
    Nothing,
    Int,
    /// `R?`, so that there is always something to answer.
    Ref {
        target: usize,
        written: Written,
    },
}

#[derive(Clone, Debug)]
pub struct Handler {
    pub record: usize,
    pub name: String,
    pub params: Vec<Param>,
    pub answer: Answer,
    /// Other plain spaces it may write.
    pub across: Vec<usize>,
    pub internal: bool,
}

#[derive(Clone, Debug)]
pub struct Record {
    pub home: Home,
    pub cells: Vec<Cell>,
    /// A derived cell with the references of a stored one.
    pub via: Option<Cell>,
}

#[derive(Clone, Debug)]
pub struct Model {
    /// One in so many choices is made without looking at where things are.
    pub caution: usize,
    pub records: Vec<Record>,
    /// A handler calls and sends to earlier ones only, so that everything ends.
    pub handlers: Vec<Handler>,
}

impl Model {
    pub fn draw(tape: &mut Tape<'_>) -> Self {
        let count = tape.between(2, 4);
        let homes = [Home::Floating, Home::Plain(0), Home::Floating, Home::Family, Home::Plain(1)];
        let mut records: Vec<Record> =
            (0..count).map(|_| Record { home: homes[tape.below(homes.len())], cells: Vec::new(), via: None }).collect();
        for index in 0..count {
            for number in 0..tape.between(1, 4) {
                let refs = Refs::draw(tape, &records, index);
                records[index].cells.push(Cell { name: format!("c{number}"), refs, other: None });
            }
        }
        if tape.one_in(3) {
            add_inverse(tape, &mut records);
        }
        for record in &mut records {
            if tape.one_in(2) {
                record.via =
                    tape.pick(&record.cells).map(|cell| Cell { name: "via".into(), refs: cell.refs, other: Some(cell.name.clone()) });
            }
        }
        let caution = [40, 16, 8, 4][tape.below(4)];
        let mut model = Model { caution, records, handlers: Vec::new() };
        for number in 0..tape.between(2, 7) {
            model.draw_handler(tape, number);
        }
        model
    }

    fn draw_handler(&mut self, tape: &mut Tape<'_>, number: usize) {
        let record = tape.below(self.records.len());
        let params = (0..tape.below(4)).map(|_| match tape.below(4) {
            0 => Param::Int,
            1 | 2 => {
                let refs = Refs::draw(tape, &self.records, record);
                Param::Ref { target: refs.target, written: refs.written }
            }
            _ => Param::Refs(Refs::draw(tape, &self.records, record)),
        });
        let params = params.collect();
        let answer = match tape.below(4) {
            0 | 1 => Answer::Nothing,
            2 => Answer::Int,
            _ => {
                let refs = Refs::draw(tape, &self.records, record);
                Answer::Ref { target: refs.target, written: refs.written }
            }
        };
        let across = match self.records[record].home {
            Home::Plain(at) if tape.one_in(3) => vec![1 - at],
            _ => Vec::new(),
        };
        let internal = tape.one_in(5);
        self.handlers.push(Handler { record, name: format!("h{number}"), params, answer, across, internal });
    }
}

/// Two Set cells of records that are in one space for sure.
fn add_inverse(tape: &mut Tape<'_>, records: &mut [Record]) {
    let one = tape.below(records.len());
    let other = tape.below(records.len());
    let together = match (records[one].home, records[other].home) {
        (Home::Plain(a), Home::Plain(b)) => a == b,
        (Home::Plain(_), _) | (_, Home::Plain(_)) => false,
        _ => true,
    };
    if one == other || !together {
        return;
    }
    let end = |target| Refs { shape: Shape::Set, target, written: Written::Plain };
    records[one].cells.push(Cell { name: "near".into(), refs: end(other), other: Some("far".into()) });
    records[other].cells.push(Cell { name: "far".into(), refs: end(one), other: None });
}

impl Refs {
    /// A type that may stand in the record `holder`.
    fn draw(tape: &mut Tape<'_>, records: &[Record], holder: usize) -> Refs {
        let shapes = [Shape::Optional, Shape::Set, Shape::List, Shape::Map, Shape::Struct, Shape::Enum];
        let shape = shapes[tape.below(shapes.len())];
        let target = tape.below(records.len());
        // A record of a family is never where a record of a plain space is.
        let never_here = matches!(records[holder].home, Home::Plain(_)) && records[target].home == Home::Family;
        let written = match (records[target].home, tape.below(5)) {
            (Home::Plain(_), _) => Written::Plain,
            (_, 0..=2) if !never_here => Written::Plain,
            (Home::Floating, 4) if !matches!(shape, Shape::Struct | Shape::Enum) => Written::At(tape.below(PLAIN.len())),
            _ => Written::Any,
        };
        Refs { shape, target, written }
    }
}

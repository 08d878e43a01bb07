//! Whole pattern programs by chance: records in plain spaces, families and anywhere, cells of every shape that can hold references, handlers
//! that write, create, delete, call and send across them. Most pass the checker; none loops.

mod body;
mod chains;
mod model;
mod statement;
mod tape;
mod wide_chains;

pub use chains::{chain_set, making_chain_set};
pub use tape::Tape;
pub use wide_chains::wide_chain_set;

use body::BodyWriter;
use model::{Answer, Cell, Handler, Home, Model, PLAIN, Param, Refs, Shape, Written};

/// The text of a pattern.
pub fn pattern(tape: &mut Tape<'_>) -> String {
    let model = Model::draw(tape);
    let mut out = String::new();
    for space in PLAIN {
        out.push_str(&format!("space {space}\n"));
    }
    out.push_str("space fam[Text]\n\n");
    for target in 0..model.records.len() {
        out.push_str(&format!("struct Box{target} {{ who: R{target}, more: List<R{target}> }}\n"));
        out.push_str(&format!("enum Case{target} {{ empty, one(who: R{target}), many(all: List<R{target}>) }}\n"));
        out.push_str(&format!("fn first{target}(xs: List<R{target}>) -> R{target}? {{ xs.first() }}\n"));
        out.push_str(&format!("fn pick{target}(a: R{target}, b: R{target}) -> R{target} {{ if a.n > b.n {{ a }} else {{ b }} }}\n"));
    }
    for (index, record) in model.records.iter().enumerate() {
        out.push_str(&format!("\nrecord R{index}{} {{\n", home_text(record.home)));
        out.push_str("  cell n: Int = 0\n  cell log: List<Text> = []\n");
        for cell in &record.cells {
            out.push_str(&cell_text(cell));
        }
        if let Some(cell) = record.cells.first() {
            out.push_str(&derived_text(cell));
        }
        if let Some(cell) = &record.via {
            out.push_str(&format!("  derived via: {} = self.{}\n", type_text(cell.refs), cell.other.as_deref().unwrap_or_default()));
        }
        if tape.one_in(4) {
            out.push_str("  create { self.n += 1 }\n");
        }
        for (position, handler) in model.handlers.iter().enumerate().filter(|(_, h)| h.record == index) {
            out.push_str(&handler_text(&model, handler, position, tape));
        }
        for (number, cell) in record.cells.iter().enumerate() {
            out.push_str(&setter_text(number, cell));
        }
        out.push_str("}\n");
    }
    for index in 0..model.records.len() {
        if tape.one_in(3) {
            out.push_str(&format!("invariant in_range{index}(r: R{index}) {{ r.n > 0 - 40 }}\n"));
        }
        let near = |cell: &&Cell| cell.refs.written == Written::Plain && matches!(cell.refs.shape, Shape::Set | Shape::List);
        let same = |cell: &&Cell| model.records[cell.refs.target].home == model.records[index].home;
        if let Some(cell) = model.records[index].cells.iter().filter(near).find(same)
            && tape.one_in(3)
        {
            out.push_str(&format!("invariant near{index}(r: R{index}) {{ r.{}.all(q => q.n > 0 - 40) }}\n", cell.name));
        }
    }
    out
}

fn home_text(home: Home) -> String {
    match home {
        Home::Plain(at) => format!(" in {}", PLAIN[at]),
        Home::Family => " in fam".into(),
        Home::Floating => String::new(),
    }
}

fn place_text(written: Written) -> String {
    match written {
        Written::Plain => String::new(),
        Written::Any => "@any".into(),
        Written::At(at) => format!("@{}", PLAIN[at]),
    }
}

fn type_text(refs: Refs) -> String {
    let Refs { shape, target, written } = refs;
    let place = place_text(written);
    match shape {
        Shape::Optional => format!("R{target}{place}?"),
        Shape::Set => format!("Set<R{target}{place}>"),
        Shape::List => format!("List<R{target}{place}>"),
        Shape::Map => format!("Map<Text, R{target}{place}>"),
        Shape::Struct => format!("Box{target}{place}?"),
        Shape::Enum => format!("Case{target}{place}"),
    }
}

fn cell_text(cell: &Cell) -> String {
    let default = match cell.refs.shape {
        Shape::Optional | Shape::Struct => "",
        Shape::Set => " = Set[]",
        Shape::List => " = []",
        Shape::Map => " = Map[]",
        Shape::Enum => &format!(" = Case{}.empty", cell.refs.target),
    };
    let inverse = cell.other.as_ref().map(|other| format!(" inverse {other}")).unwrap_or_default();
    format!("  cell {}: {}{default}{inverse}\n", cell.name, type_text(cell.refs))
}

fn derived_text(cell: &Cell) -> String {
    let name = &cell.name;
    let value = match cell.refs.shape {
        Shape::Optional => format!("if self.{name} == none {{ 0 }} else {{ 1 }}"),
        Shape::Set | Shape::List | Shape::Map => format!("self.{name}.len()"),
        Shape::Struct => format!("if let b = self.{name} {{ b.more.len() }} else {{ 0 }}"),
        Shape::Enum => format!("match self.{name} {{ Case{}.many(all) => all.len(), _ => 1 }}", cell.refs.target),
    };
    format!("  derived size: Int = {value}\n")
}

fn param_text(number: usize, param: &Param) -> String {
    match param {
        Param::Int => format!("p{number}: Int"),
        Param::Ref { target, written } => format!("p{number}: R{target}{}", place_text(*written)),
        Param::Refs(refs) => format!("p{number}: {}", type_text(*refs)),
    }
}

fn handler_text(model: &Model, handler: &Handler, position: usize, tape: &mut Tape<'_>) -> String {
    let params: Vec<String> = handler.params.iter().enumerate().map(|(i, p)| param_text(i, p)).collect();
    let answer = match &handler.answer {
        Answer::Nothing => String::new(),
        Answer::Int => " -> Int".into(),
        Answer::Ref { target, written } => format!(" -> R{target}{}?", place_text(*written)),
    };
    let internal = if handler.internal { "internal " } else { "" };
    // Every write is declared: which are needed is another question than where they fall.
    let writes: Vec<String> = (0..model.records.len()).map(|i| format!("R{i}")).collect();
    let across: Vec<&str> = handler.across.iter().map(|at| PLAIN[*at]).collect();
    let across = if across.is_empty() { String::new() } else { format!(" across {}", across.join(", ")) };
    let head = format!("  {internal}handler {}({}){answer} writes {}{across} {{\n", handler.name, params.join(", "), writes.join(", "));
    let body = BodyWriter::new(model, position, tape).handler();
    format!("{head}{body}  }}\n")
}

/// A handler that fills a cell from outside, so that links come about.
fn setter_text(number: usize, cell: &Cell) -> String {
    let Refs { shape, target, written } = cell.refs;
    let place = place_text(written);
    let name = &cell.name;
    let (param, write) = match shape {
        Shape::Optional => (format!("R{target}{place}"), format!("self.{name} = x")),
        Shape::Set | Shape::List => (format!("R{target}{place}"), format!("self.{name} += x")),
        Shape::Map => (format!("R{target}{place}"), format!("self.{name}[\"k\"] = x")),
        Shape::Struct => (format!("Box{target}{place}"), format!("self.{name} = x")),
        Shape::Enum => (format!("Case{target}{place}"), format!("self.{name} = x")),
    };
    // An inverse end is written by the runtime: no other record is named here.
    format!("  handler set{number}(x: {param}) {{ {write} }}\n")
}

//! A program as text, for snapshots and for people: declarations first, then every body over its slots.
//!
//! `$0` is a slot, `#3` a body, `!2` an arm.

use std::fmt::{self, Display, Formatter, Write as _};

use crate::code_render::Code as CodeText;
use crate::{Arm, Body, BodyId, Code, Field, Home, Place, Program, Record, RecordId, Repeat, Saga, Type};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for space in &self.spaces {
            match &space.key {
                Some(key) => writeln!(f, "space {}[{}]", space.name, self.ty(key))?,
                None => writeln!(f, "space {}", space.name)?,
            }
        }
        for item in &self.structs {
            writeln!(f, "struct {} {{ {} }}", item.name, self.fields(&item.fields))?;
        }
        for item in &self.enums {
            let variants: Vec<String> = item.variants.iter().map(|v| format!("{}{}", v.name, self.params(&v.fields))).collect();
            writeln!(f, "enum {} {{ {} }}", item.name, variants.join(", "))?;
        }
        for item in &self.externs {
            writeln!(f, "extern {}", item.name)?;
            for op in &item.operations {
                let params = self.fields(&op.params);
                let repeat = match op.repeat {
                    Repeat::Readonly => " readonly",
                    Repeat::Idempotent => " idempotent",
                    Repeat::Once => "",
                };
                writeln!(f, "  {}({params}){}{repeat}", op.name, self.result(op.result.as_ref()))?;
            }
        }
        for record in &self.records {
            self.fmt_record(f, record)?;
        }
        for item in &self.invariants {
            let eventually = if item.eventually { "eventually " } else { "" };
            writeln!(f, "{eventually}invariant {} of {} #{}", item.name, self.record_name(item.record), item.body.0)?;
        }
        for item in &self.mirrors {
            let target = self.externs.get(item.target.index()).map_or("?", |e| e.name.as_str());
            let first = if item.remove_first { ", removals first" } else { "" };
            writeln!(
                f,
                "mirror {} of {} to {target} in {}{first}",
                item.name,
                self.record_name(item.record),
                self.record_name(item.ledger)
            )?;
            if let Some(tokens) = item.tokens {
                writeln!(f, "  tokens in {}", self.record_name(tokens))?;
            }
            writeln!(f, "  facts #{} -> {}", item.facts.0, self.ty(&item.fact))?;
            writeln!(f, "  add #{} remove #{} actual #{}", item.add.0, item.remove.0, item.actual.0)?;
            writeln!(f, "  scope #{} -> {}", item.scope.0, self.ty(&item.scope_ty))?;
        }
        for (index, body) in self.bodies.iter().enumerate() {
            self.fmt_body(f, BodyId(index as u32), body)?;
        }
        for (index, arm) in self.arms.iter().enumerate() {
            self.fmt_arm(f, index, arm)?;
        }
        for test in &self.tests {
            writeln!(f, "test {:?} slots {}", test.name, test.slots)?;
            CodeText::new(self, f).test_block(&test.body)?;
        }
        Ok(())
    }
}

impl Program {
    fn fmt_record(&self, f: &mut Formatter<'_>, record: &Record) -> fmt::Result {
        match record.home {
            Home::Plain(space) => writeln!(f, "record {} in {}", record.name, self.space_name(space))?,
            Home::Family(space) => writeln!(f, "record {} in {}[…]", record.name, self.space_name(space))?,
            Home::Floating => writeln!(f, "record {}", record.name)?,
        }
        for (index, cell) in record.cells.iter().enumerate() {
            write!(f, "  cell {}: {}", cell.name, self.ty(&cell.ty))?;
            if let Some(default) = cell.default {
                write!(f, " = #{}", default.0)?;
            }
            if record.key.is_some_and(|k| k.index() == index) {
                f.write_str(" key")?;
            } else if cell.unique {
                f.write_str(" unique")?;
            } else if cell.index {
                f.write_str(" index")?;
            }
            if let Some(inverse) = cell.inverse {
                write!(f, " inverse {}.{}", self.record_name(inverse.record), self.cell_name(inverse.record, inverse.cell))?;
            }
            f.write_char('\n')?;
        }
        for derived in &record.derived {
            writeln!(f, "  derived {}: {} = #{}", derived.name, self.ty(&derived.ty), derived.body.0)?;
        }
        if let Some(create) = record.create {
            writeln!(f, "  create #{}", create.0)?;
        }
        for id in &record.handlers {
            let handler = self.handler(*id);
            let internal = if handler.internal { "internal " } else { "" };
            let params = self.fields(&handler.params);
            write!(f, "  {internal}handler {}({params}){}", handler.name, self.result(handler.result.as_ref()))?;
            if !handler.across.is_empty() {
                let across: Vec<&str> = handler.across.iter().map(|s| self.space_name(*s)).collect();
                write!(f, " across {}", across.join(", "))?;
            }
            writeln!(f, " #{}", handler.body.0)?;
        }
        for id in &record.sagas {
            self.fmt_saga(f, &self.sagas[id.index()])?;
        }
        Ok(())
    }

    fn fmt_saga(&self, f: &mut Formatter<'_>, saga: &Saga) -> fmt::Result {
        writeln!(f, "  saga {}({}) slots {} prelude #{}", saga.name, self.fields(&saga.params), saga.slots, saga.prelude.0)?;
        for step in &saga.steps {
            write!(f, "    {}", if step.pivot { "pivot" } else { "step" })?;
            if let Some(name) = step.name {
                write!(f, " {name}")?;
            }
            if let Some((slot, ty)) = &step.result {
                write!(f, " ${}: {}", slot.0, self.ty(ty))?;
            }
            write!(f, " #{}", step.action.body.0)?;
            if let Some(undo) = &step.undo {
                write!(f, " undo #{}", undo.body.0)?;
            }
            f.write_char('\n')?;
        }
        if !saga.kept.is_empty() {
            let kept: Vec<String> = saga.kept.iter().map(|kept| format!("{} ${}", kept.name, kept.slot.0)).collect();
            writeln!(f, "    keeps {}", kept.join(", "))?;
        }
        Ok(())
    }

    fn fmt_body(&self, f: &mut Formatter<'_>, id: BodyId, body: &Body) -> fmt::Result {
        writeln!(f, "#{} {} params {} slots {}", id.0, body.name, body.params, body.slots)?;
        let mut code = CodeText::new(self, f);
        match &body.code {
            Code::Block(stmts) => code.block(stmts),
            Code::Expr(value) => code.value_line(value),
        }
    }

    fn fmt_arm(&self, f: &mut Formatter<'_>, index: usize, arm: &Arm) -> fmt::Result {
        let captures: Vec<String> = arm.captures.iter().map(|c| format!("{}: {}", c.name, self.ty(&c.ty))).collect();
        write!(f, "!{index} {} #{} captures [{}]", arm.name, arm.body.0, captures.join(", "))?;
        if let Some(ty) = &arm.binds {
            write!(f, " binds {}", self.ty(ty))?;
        }
        writeln!(f, "{}", self.result(arm.result.as_ref()))
    }

    /// A type as it is written in the language.
    pub fn ty(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "Bool".into(),
            Type::Int => "Int".into(),
            Type::Float => "Float".into(),
            Type::Text => "Text".into(),
            Type::Bytes => "Bytes".into(),
            Type::Time => "Time".into(),
            Type::Duration => "Duration".into(),
            Type::Space => "Space".into(),
            Type::Failure => "Failure".into(),
            Type::List(of) => format!("List<{}>", self.ty(of)),
            Type::Set(of) => format!("Set<{}>", self.ty(of)),
            Type::Map(key, value) => format!("Map<{}, {}>", self.ty(key), self.ty(value)),
            Type::Optional(of) => format!("{}?", self.ty(of)),
            Type::Struct(id, place) => self.placed(self.structs.get(id.index()).map(|s| s.name.as_str()), *place),
            Type::Enum(id, place) => self.placed(self.enums.get(id.index()).map(|e| e.name.as_str()), *place),
            Type::Record(id, place) => {
                let record = self.records.get(id.index());
                // Where a type with a plain space says that it is in its space, it says nothing new.
                let place = match (record.map(|r| r.home), place) {
                    (Some(Home::Plain(home)), Place::Plain(at)) if home == *at => Place::Here,
                    _ => *place,
                };
                self.placed(record.map(|r| r.name.as_str()), place)
            }
            Type::SagaResult(of) => format!("({})", self.fields(of)),
            Type::Unknown => "?".into(),
        }
    }

    fn placed(&self, name: Option<&str>, place: Place) -> String {
        let name = name.unwrap_or("?");
        match place {
            Place::Here => name.to_string(),
            Place::Plain(space) => format!("{name}@{}", self.space_name(space)),
            Place::Any => format!("{name}@any"),
        }
    }

    fn fields(&self, fields: &[Field]) -> String {
        fields.iter().map(|field| format!("{}: {}", field.name, self.ty(&field.ty))).collect::<Vec<_>>().join(", ")
    }

    fn params(&self, fields: &[Field]) -> String {
        if fields.is_empty() { String::new() } else { format!("({})", self.fields(fields)) }
    }

    fn result(&self, ty: Option<&Type>) -> String {
        ty.map(|ty| format!(" -> {}", self.ty(ty))).unwrap_or_default()
    }

    /// The name of a record type; `?` for one that is not of this program.
    pub fn record_name(&self, id: RecordId) -> &str {
        self.records.get(id.index()).map_or("?", |r| r.name.as_str())
    }

    pub(crate) fn space_name(&self, id: crate::SpaceId) -> &str {
        self.spaces.get(id.index()).map_or("?", |s| s.name.as_str())
    }

    pub(crate) fn cell_name(&self, record: RecordId, cell: crate::CellIndex) -> &str {
        self.records.get(record.index()).and_then(|r| r.cells.get(cell.index())).map_or("?", |c| c.name.as_str())
    }
}

//! Types and places in words, for messages.

use crate::signature::Home;
use crate::types::{ItemId, Place, Ty};

use super::checker::Checker;
use super::places::NOWHERE;

impl Checker<'_> {
    /// The type as it would be written, without places.
    pub fn show(&mut self, ty: &Ty) -> String {
        let mut out = String::new();
        self.write_type(ty, &mut out);
        out
    }

    fn write_type(&mut self, ty: &Ty, out: &mut String) {
        match ty {
            Ty::Bool => out.push_str("Bool"),
            Ty::Int => out.push_str("Int"),
            Ty::Float => out.push_str("Float"),
            Ty::Text => out.push_str("Text"),
            Ty::Bytes => out.push_str("Bytes"),
            Ty::Time => out.push_str("Time"),
            Ty::Duration => out.push_str("Duration"),
            Ty::Space => out.push_str("Space"),
            Ty::Failure => out.push_str("Failure"),
            Ty::List(inner) => self.write_generic("List", &[inner], out),
            Ty::Set(inner) => self.write_generic("Set", &[inner], out),
            Ty::Map(key, value) => self.write_generic("Map", &[key, value], out),
            Ty::Optional(inner) => {
                self.write_type(inner, out);
                out.push('?');
            }
            Ty::Struct(id, _) | Ty::Enum(id, _) | Ty::Record(id, _) => out.push_str(self.item_name(*id).as_str()),
            Ty::SagaResult(..) => out.push_str("the results of a saga"),
            Ty::None => out.push_str("none"),
            Ty::Unknown | Ty::Error => out.push('_'),
            Ty::Unit => out.push_str("nothing"),
        }
    }

    fn write_generic(&mut self, name: &str, args: &[&Ty], out: &mut String) {
        out.push_str(name);
        out.push('<');
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.write_type(arg, out);
        }
        out.push('>');
    }

    /// "`Int`", "`none`", "no value": the type of a value in a sentence.
    pub fn quoted(&mut self, ty: &Ty) -> String {
        match ty {
            Ty::Unit => "no value".to_owned(),
            Ty::SagaResult(..) => self.show(ty),
            Ty::None => "`none`".to_owned(),
            ty => format!("`{}`", self.show(ty)),
        }
    }

    /// "in the space of `self`", "in space `home`", "where `x` is", "somewhere, not known where".
    pub fn show_place(&mut self, place: Place) -> String {
        match place {
            Place::Here if self.cx.self_record.is_some() => "in the space of `self`".to_owned(),
            Place::Here => match self.cx.locals.first() {
                Some(local) => format!("in the space of `{}`", local.name),
                None => "here".to_owned(),
            },
            Place::Plain(space) => {
                let name = self.item_name(space);
                if self.cx.has_here && self.cx.here == place && self.cx.self_record.is_some() {
                    format!("in `{name}`, the space of `self`")
                } else {
                    format!("in space `{name}`")
                }
            }
            NOWHERE => "in the space of a record that has no name here".to_owned(),
            Place::Of(local) => format!("where `{}` is", self.local(local).name),
            Place::Any => "somewhere, not known where".to_owned(),
        }
    }

    /// "in a space of the family `user`": what is known of where all the records of a type are.
    pub fn show_home(&mut self, home: Home) -> String {
        match home {
            Home::Plain(space) => self.show_place(Place::Plain(space)),
            Home::Family(family) => format!("in a space of the family `{}`", self.item_name(family)),
            Home::Floating => "in any space".to_owned(),
        }
    }

    /// "`Person`" of an item, "the item" being a record, struct or enum.
    pub fn quoted_name(&mut self, id: ItemId) -> String {
        format!("`{}`", self.item_name(id))
    }
}

/// "`a`, `b` and `c`".
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let mut out = String::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push_str(if index + 1 == names.len() { " and " } else { ", " });
        }
        out.push('`');
        out.push_str(name.as_ref());
        out.push('`');
    }
    out
}

/// "1 argument", "3 arguments".
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

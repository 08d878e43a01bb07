//! The statements of a generated handler.

use super::body::{BodyWriter, Value, whole};
use super::model::{Answer, Home, PLAIN, Param, Place, Refs, Shape};

impl BodyWriter<'_, '_, '_> {
    pub(super) fn statement(&mut self, depth: usize) {
        let kinds = if depth < 3 { 20 } else { 5 };
        match self.tape.below(kinds) {
            0 => {
                let of = self.writable_value();
                let op = ["+= 1", "-= 1", "= self.n + 1"][self.tape.below(3)];
                self.line(&format!("{}.n {op}", of.text));
            }
            1..=3 => self.write(),
            4 => {
                let of = self.any_reference();
                let name = self.name();
                self.line(&format!("let {name} = {}", of.text));
                self.values.push(Value { text: name, local: true, ..of });
            }
            5..=7 => self.unpack(depth),
            8 => self.same_space(depth),
            9 | 10 => self.call(),
            11 | 12 => self.send(depth),
            13 => {
                let target = self.tape.below(self.model.records.len());
                let wanted = [Place::Here, Place::Any, Place::At(0), Place::At(1)][self.tape.below(4)].clone();
                self.create(target, &wanted);
            }
            14 => {
                self.nested("try", Vec::new(), depth);
                let error = self.name();
                // The brace that was closed belongs to the same statement.
                self.line(&format!("catch {error} {{ self.log += {error}.message }}"));
            }
            15 => self.query_or_delete(),
            16 | 17 => self.join(),
            18 => self.collect(),
            _ => self.rebuild(depth),
        }
    }

    /// Writes a cell of references.
    fn write(&mut self) {
        let of = self.writable_value();
        let cells = &self.model.records[of.target].cells;
        let Some(cell) = self.tape.pick(cells).cloned() else { return };
        let Refs { shape, target, written } = cell.refs;
        let wanted = self.seen(&of, target, written);
        let to = format!("{}.{}", of.text, cell.name);
        let whole = self.tape.one_in(4);
        if whole && let Some(text) = self.fitting_holder(shape, target, &wanted) {
            return self.line(&format!("{to} = {text}"));
        }
        let Some(value) = self.some_reference(target, &wanted) else { return };
        let text = match shape {
            Shape::Optional => format!("{to} = {value}"),
            Shape::Set | Shape::List => format!("{to} {} {value}", if self.tape.one_in(5) { "-=" } else { "+=" }),
            Shape::Map => format!("{to}[\"k\"] = {value}"),
            Shape::Struct => format!("{to} = Box{target} {{ who: {value}, more: [{value}] }}"),
            Shape::Enum if self.tape.one_in(2) => format!("{to} = Case{target}.many(all: [{value}])"),
            Shape::Enum => format!("{to} = Case{target}.one(who: {value})"),
        };
        self.line(&text);
    }

    /// A whole value of this shape that should fit.
    fn fitting_holder(&mut self, shape: Shape, target: usize, wanted: &Place) -> Option<String> {
        let mut found = Vec::new();
        for of in self.values.iter().filter(|v| v.shape.is_none()) {
            for cell in &self.model.records[of.target].cells {
                let place = self.seen(of, cell.refs.target, cell.refs.written);
                if cell.refs.shape == shape && cell.refs.target == target && self.fits(&place, wanted) {
                    found.push(format!("{}.{}", of.text, cell.name));
                }
            }
        }
        for value in self.values.iter().filter(|v| v.shape == Some(shape) && v.target == target && self.fits(&v.place, wanted)) {
            found.push(value.text.clone());
        }
        self.tape.pick(&found).cloned()
    }

    /// Takes references out of what holds them.
    fn unpack(&mut self, depth: usize) {
        let Some(Value { text, shape: Some(shape), target, place, .. }) = self.holder() else { return };
        let name = self.name();
        let one = |text: &str| Value { text: text.into(), shape: None, target, place: place.clone(), local: true };
        let list = |text: &str| Value { text: text.into(), shape: Some(Shape::List), target, place: place.clone(), local: true };
        match shape {
            Shape::Optional => self.nested(&format!("if let {name} = {text}"), vec![one(&name)], depth),
            Shape::Set | Shape::List => match self.tape.below(4) {
                0 => {
                    self.line(&format!("let {name} = {text}.filter(q => q.exists() && q.n >= 0)"));
                    self.values.push(list(&name));
                }
                1 => {
                    let method = ["find(q => q.exists())", "min(q => q.n)"][self.tape.below(2)];
                    self.nested(&format!("if let {name} = {text}.{method}"), vec![one(&name)], depth);
                }
                _ => {
                    self.loops += 1;
                    self.nested(&format!("for {name} in {text}"), vec![one(&name)], depth);
                    self.loops -= 1;
                }
            },
            Shape::Map if self.tape.one_in(2) => {
                self.nested(&format!("if let {name} = {text}[\"k\"]"), vec![one(&name)], depth);
            }
            Shape::Map => {
                self.loops += 1;
                self.nested(&format!("for k{name}, {name} in {text}"), vec![one(&name)], depth);
                self.loops -= 1;
            }
            Shape::Struct => {
                let who = Value { local: false, ..one(&format!("{name}.who")) };
                let more = Value { local: false, ..list(&format!("{name}.more")) };
                self.nested(&format!("if let {name} = {text}"), vec![who, more], depth);
            }
            Shape::Enum => {
                self.line(&format!("match {text} {{"));
                self.indent += 1;
                self.nested(&format!("Case{target}.one({name}) =>"), vec![one(&name)], depth);
                self.nested(&format!("Case{target}.many(all{name}) =>"), vec![list(&format!("all{name}"))], depth);
                self.line("_ => { }");
                self.indent -= 1;
                self.line("}");
            }
        }
    }

    /// Narrows a local to this space.
    fn same_space(&mut self, depth: usize) {
        let locals: Vec<usize> = (0..self.values.len()).filter(|i| self.values[*i].local && self.values[*i].shape.is_none()).collect();
        let Some(&at) = self.tape.pick(&locals) else { return };
        let here = |value: &Value| Value { place: Place::Here, ..value.clone() };
        let text = self.values[at].text.clone();
        // A record that is in another plain space for sure is never in this one: asking is a mistake of its own.
        if let (Place::At(at), Home::Plain(home)) = (&self.values[at].place, self.home())
            && *at != home
        {
            return;
        }
        if self.tape.one_in(2) {
            self.line(&format!("require same_space({text}) else \"elsewhere\""));
            self.values[at] = here(&self.values[at]);
        } else {
            let narrowed = here(&self.values[at]);
            let before = self.values[at].clone();
            self.values[at] = narrowed;
            self.nested(&format!("if same_space({text})"), Vec::new(), depth);
            self.values[at] = before;
        }
    }

    /// Arguments for a handler of `of`; `None` where nothing fits.
    fn arguments(&mut self, of: &Value, params: &[Param]) -> Option<String> {
        let mut args = Vec::new();
        for param in params {
            args.push(match param {
                Param::Int => "self.n".to_string(),
                Param::Ref { target, written } => {
                    let wanted = self.seen(of, *target, *written);
                    self.some_reference(*target, &wanted)?
                }
                Param::Refs(Refs { shape, target, written }) => {
                    let wanted = self.seen(of, *target, *written);
                    match self.fitting_holder(*shape, *target, &wanted) {
                        Some(text) => text,
                        None => {
                            let value = self.some_reference(*target, &wanted)?;
                            whole(*shape, *target, &value)
                        }
                    }
                }
            });
        }
        Some(args.join(", "))
    }

    /// An earlier handler of a record in reach.
    fn callee(&mut self, direct: bool) -> Option<(Value, usize)> {
        if self.position == 0 {
            return None;
        }
        let position = self.tape.below(self.position);
        let handler = &self.model.handlers[position];
        let own = &self.model.handlers[self.position].across;
        let daring = self.tape.one_in(self.model.caution);
        if direct && !daring && !handler.across.iter().all(|s| own.contains(s)) {
            return None;
        }
        let found: Vec<Value> = self
            .values
            .iter()
            .filter(|v| v.shape.is_none() && v.target == handler.record && (!direct || daring || self.writable(&v.place)))
            .cloned()
            .collect();
        self.tape.pick(&found).cloned().map(|of| (of, position))
    }

    fn call(&mut self) {
        let Some((of, position)) = self.callee(true) else { return };
        let handler = self.model.handlers[position].clone();
        let Some(args) = self.arguments(&of, &handler.params) else { return };
        let call = format!("{}.{}({args})", of.text, handler.name);
        match handler.answer {
            Answer::Ref { target, written } => {
                let name = self.name();
                self.line(&format!("let {name} = {call}"));
                let place = self.seen(&of, target, written);
                self.values.push(Value { text: name, shape: Some(Shape::Optional), target, place, local: true });
            }
            Answer::Nothing | Answer::Int => self.line(&call),
        }
    }

    fn send(&mut self, depth: usize) {
        if self.loops > 1 || self.arms > 0 {
            return;
        }
        if self.tape.one_in(5) {
            let space_number = self.tape.below(PLAIN.len() + 1);
            let targets: Vec<usize> = (0..self.model.records.len())
                .filter(|i| match self.model.records[*i].home {
                    Home::Plain(at) => at == space_number,
                    Home::Family => space_number == PLAIN.len(),
                    Home::Floating => true,
                })
                .collect();
            if let Some(target) = self.tape.pick(&targets) {
                let space = PLAIN.get(space_number).map_or_else(|| "fam[\"a\"]".to_string(), |s| s.to_string());
                let at = match self.model.records[*target].home {
                    Home::Plain(at) => Place::At(at),
                    _ if space_number < PLAIN.len() => Place::At(space_number),
                    _ => Place::Any,
                };
                // Nothing is known to be in the one space of the family.
                let given = if at == Place::Any { String::new() } else { self.given_cell(*target, &at) };
                self.line(&format!("send create R{target} in {space} {{ n: 1{given} }}"));
            }
            return;
        }
        let Some((of, position)) = self.callee(false) else { return };
        let handler = self.model.handlers[position].clone();
        let Some(args) = self.arguments(&of, &handler.params) else { return };
        let send = format!("send {}.{}({args})", of.text, handler.name);
        if self.tape.one_in(2) {
            return self.line(&send);
        }
        self.line(&format!("{send} then {{"));
        self.indent += 1;
        self.arms += 1;
        let (head, bound) = match handler.answer {
            Answer::Nothing => ("ok() =>".to_string(), Vec::new()),
            Answer::Int => (format!("ok({}) =>", self.name()), Vec::new()),
            Answer::Ref { target, written } => {
                let name = self.name();
                let place = self.seen(&of, target, written);
                (format!("ok({name}) =>"), vec![Value { text: name, shape: Some(Shape::Optional), target, place, local: true }])
            }
        };
        self.nested(&head, bound, depth.max(1));
        if self.tape.one_in(2) {
            let name = self.name();
            self.line(&format!("err({name}) => {{ self.log += {name}.message }}"));
        }
        self.arms -= 1;
        self.indent -= 1;
        self.line("}");
    }

    fn query_or_delete(&mut self) {
        let target = self.tape.below(self.model.records.len());
        if self.tape.one_in(6) {
            let of = self.writable_value();
            if of.text != "self" {
                self.line(&format!("delete {}", of.text));
            }
            return;
        }
        let name = self.name();
        let place = match self.model.records[target].home {
            Home::Plain(at) => Place::At(at),
            _ => Place::Here,
        };
        if self.tape.one_in(3)
            && let Some(a) = self.reference(target, &place)
            && let Some(b) = self.reference(target, &place)
        {
            self.line(&format!("let {name} = pick{target}({a}, {b})"));
            self.values.push(Value { text: name, shape: None, target, place, local: true });
            return;
        }
        let query = [".where(q => q.n > 0)", ".all", ".where(q => q.n == 1)"][self.tape.below(3)];
        self.line(&format!("let {name} = R{target}{query}"));
        self.values.push(Value { text: name, shape: Some(Shape::List), target, place, local: true });
    }

    /// One of two references by a condition.
    fn join(&mut self) {
        let a = self.any_reference();
        let Some(b) = self.values.iter().rev().find(|v| v.shape.is_none() && v.target == a.target && v.text != a.text).cloned() else {
            return;
        };
        let name = self.name();
        let text = match self.tape.below(3) {
            0 => format!("if self.n > 1 {{ {} }} else {{ {} }}", a.text, b.text),
            1 => format!("match self.n {{ 0 => {}, _ => {} }}", a.text, b.text),
            _ => format!("[{}, {}].last() ?? {}", a.text, b.text, a.text),
        };
        self.line(&format!("let {name} = {text}"));
        let place = if self.normal(&a.place) == self.normal(&b.place) { a.place } else { Place::Any };
        self.values.push(Value { text: name, shape: None, target: a.target, place, local: true });
    }

    /// A list made of others.
    fn collect(&mut self) {
        let Some(a) = self.holder() else { return };
        let Some(shape @ (Shape::Set | Shape::List | Shape::Map)) = a.shape else { return };
        let list = match shape {
            Shape::List => a.text.clone(),
            Shape::Set => format!("{}.map(q => q)", a.text),
            _ => format!("{}.values()", a.text),
        };
        let more = self.reference(a.target, &a.place);
        let name = self.name();
        let text = match (self.tape.below(3), more) {
            (0, Some(more)) => format!("{list} + [{more}]"),
            (1, Some(more)) => format!("{list}.fold([{more}], (all, q) => all + [q])"),
            _ => format!("{list}.filter(q => q.exists()).reverse()"),
        };
        self.line(&format!("let {name} = {text}"));
        self.values.push(Value { text: name.clone(), shape: Some(Shape::List), local: true, ..a.clone() });
        if self.tape.one_in(2) {
            let first = self.name();
            self.line(&format!("let {first} = first{}({name})", a.target));
            self.values.push(Value { text: first, shape: Some(Shape::Optional), local: true, ..a });
        }
    }

    /// A struct with one field replaced.
    fn rebuild(&mut self, depth: usize) {
        let boxes: Vec<Value> = self.values.iter().filter(|v| v.shape == Some(Shape::Struct)).cloned().collect();
        let of = match self.tape.pick(&boxes) {
            Some(of) => of.clone(),
            None => match self.holder() {
                Some(of) if of.shape == Some(Shape::Struct) => of,
                _ => return self.write(),
            },
        };
        let Some(value) = self.reference(of.target, &of.place) else { return };
        let (old, new) = (self.name(), self.name());
        let target = of.target;
        // What stands in the block sees the new one alone.
        self.line(&format!("let {new} = if let {old} = {} {{ Box{target} {{ ...{old}, who: {value} }} }} else {{ Box{target} {{ who: {value}, more: [] }} }}", of.text));
        let part = |field: &str, shape| Value { text: format!("{new}.{field}"), shape, local: false, ..of.clone() };
        let parts = vec![part("who", None), part("more", Some(Shape::List))];
        self.nested("if true", parts, depth);
    }

    /// Lets an earlier handler answer, if one has such an answer.
    pub(super) fn deferred(&mut self, answers: impl Fn(&Self, &Value, &Answer) -> bool) -> bool {
        if !self.tape.one_in(4) {
            return false;
        }
        let Some((of, position)) = self.callee(false) else { return false };
        let handler = self.model.handlers[position].clone();
        if !answers(self, &of, &handler.answer) {
            return false;
        }
        let Some(args) = self.arguments(&of, &handler.params) else { return false };
        self.line(&format!("return send {}.{}({args})", of.text, handler.name));
        true
    }
}

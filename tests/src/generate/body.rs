//! The body of a generated handler.

use super::model::{Answer, Home, Model, PLAIN, Param, Place, Refs, Shape, Written};
use super::tape::Tape;

/// Something in reach: a reference (`shape` is `None`), or something with references in it.
#[derive(Clone, Debug)]
struct Value {
    text: String,
    shape: Option<Shape>,
    target: usize,
    place: Place,
    /// The name of a local, which the checker can remember things about.
    local: bool,
}

/// Writes statements, and keeps what is in reach of them.
pub struct BodyWriter<'m, 't, 'n> {
    model: &'m Model,
    /// The position of the handler: it may use earlier ones.
    position: usize,
    tape: &'t mut Tape<'n>,
    values: Vec<Value>,
    names: usize,
    out: String,
    indent: usize,
    /// Sends and calls inside a loop multiply.
    loops: usize,
    /// Inside an arm of a send.
    arms: usize,
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
            Answer::Int => self.line("return self.n"),
            Answer::Ref { target, written } => {
                let wanted = self.place(target, written, Place::Here);
                let value = self.reference(target, &wanted).unwrap_or_else(|| "none".into());
                self.line(&format!("return {value}"));
            }
        }
        self.out
    }

    fn home(&self) -> Home {
        self.model.records[self.model.handlers[self.position].record].home
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(&"  ".repeat(self.indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// Where a reference of this written type is, seen from here, when it belongs to something at `holder`.
    fn place(&self, target: usize, written: Written, holder: Place) -> Place {
        match (self.model.records[target].home, written) {
            (Home::Plain(at), _) | (_, Written::At(at)) => Place::At(at),
            (_, Written::Any) => Place::Any,
            (_, Written::Plain) => holder,
        }
    }

    /// The same for what belongs to a value in reach.
    fn seen(&self, of: &Value, target: usize, written: Written) -> Place {
        let holder = match &of.place {
            Place::Any if of.local => Place::Of(of.text.clone()),
            other => other.clone(),
        };
        self.place(target, written, holder)
    }

    fn normal(&self, place: &Place) -> Place {
        match (place, self.home()) {
            (Place::Here, Home::Plain(at)) => Place::At(at),
            _ => place.clone(),
        }
    }

    fn fits(&self, value: &Place, wanted: &Place) -> bool {
        *wanted == Place::Any || self.normal(value) == self.normal(wanted)
    }

    fn writable(&self, place: &Place) -> bool {
        let across = &self.model.handlers[self.position].across;
        match self.normal(place) {
            Place::Here => true,
            Place::At(at) => self.home() == Home::Plain(at) || across.contains(&at),
            Place::Of(_) | Place::Any => false,
        }
    }

    /// A reference in reach that should fit; now and then one that may not.
    fn reference(&mut self, target: usize, wanted: &Place) -> Option<String> {
        let daring = self.tape.one_in(12);
        let fitting: Vec<String> = self
            .values
            .iter()
            .filter(|v| v.shape.is_none() && v.target == target && (daring || self.fits(&v.place, wanted)))
            .map(|v| v.text.clone())
            .collect();
        self.tape.pick(&fitting).cloned()
    }

    /// A reference, made if there is none.
    fn some_reference(&mut self, target: usize, wanted: &Place) -> Option<String> {
        if let Some(found) = self.reference(target, wanted) {
            return Some(found);
        }
        self.create(target, wanted)
    }

    /// Creates a record where it is wanted, and gives its name.
    fn create(&mut self, target: usize, wanted: &Place) -> Option<String> {
        let space = match (self.model.records[target].home, self.normal(wanted)) {
            (Home::Plain(at), _) if self.writable(&Place::At(at)) => String::new(),
            (Home::Floating, Place::Here) => String::new(),
            (Home::Floating, Place::Any) => String::new(),
            (Home::Floating, Place::At(at)) if self.writable(&Place::At(at)) => format!(" in {}", PLAIN[at]),
            (Home::Family, Place::Here | Place::Any) if self.home() == Home::Family => String::new(),
            _ => return None,
        };
        let name = self.name();
        self.line(&format!("let {name} = create R{target}{space} {{ n: {} }}", self.names));
        let place = match self.model.records[target].home {
            Home::Plain(at) => Place::At(at),
            _ if space.is_empty() => Place::Here,
            _ => wanted.clone(),
        };
        self.values.push(Value { text: name.clone(), shape: None, target, place, local: true });
        Some(name)
    }

    /// A reference in reach that may be written.
    fn writable_value(&mut self) -> Value {
        let daring = self.tape.one_in(14);
        let found: Vec<Value> = self.values.iter().filter(|v| v.shape.is_none() && (daring || self.writable(&v.place))).cloned().collect();
        self.tape.pick(&found).cloned().unwrap_or_else(|| self.values[0].clone())
    }

    fn any_reference(&mut self) -> Value {
        let found: Vec<Value> = self.values.iter().filter(|v| v.shape.is_none()).cloned().collect();
        self.tape.pick(&found).cloned().unwrap_or_else(|| self.values[0].clone())
    }

    /// Something with references in it: in reach, or a cell of what is in reach.
    fn holder(&mut self) -> Option<Value> {
        let held: Vec<Value> = self.values.iter().filter(|v| v.shape.is_some()).cloned().collect();
        if !held.is_empty() && self.tape.one_in(3) {
            return self.tape.pick(&held).cloned();
        }
        let of = self.any_reference();
        let cell = self.tape.pick(&self.model.records[of.target].cells)?.clone();
        let Refs { shape, target, written } = cell.refs;
        let place = self.seen(&of, target, written);
        Some(Value { text: format!("{}.{}", of.text, cell.name), shape: Some(shape), target, place, local: false })
    }

    fn block(&mut self, depth: usize) {
        let most = if depth == 0 { 6 } else { 3 };
        for _ in 0..self.tape.between(1, most) {
            self.statement(depth);
        }
    }

    /// A block in braces after `head`, with what it binds in reach.
    fn nested(&mut self, head: &str, bound: Vec<Value>, depth: usize) {
        self.line(&format!("{head} {{"));
        let before = self.values.clone();
        self.values.extend(bound);
        self.indent += 1;
        self.block(depth + 1);
        self.indent -= 1;
        self.values = before;
        self.line("}");
    }

    fn statement(&mut self, depth: usize) {
        let kinds = if depth < 3 { 16 } else { 5 };
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
            _ => self.query_or_delete(),
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
                            match shape {
                                Shape::Optional => value,
                                Shape::Set => format!("Set[{value}]"),
                                Shape::List => format!("[{value}]"),
                                Shape::Map => format!("Map[\"k\": {value}]"),
                                Shape::Struct => format!("Box{target} {{ who: {value}, more: [] }}"),
                                Shape::Enum => format!("Case{target}.one(who: {value})"),
                            }
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
        let daring = self.tape.one_in(14);
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
            let space = self.tape.below(PLAIN.len() + 1);
            let targets: Vec<usize> = (0..self.model.records.len())
                .filter(|i| match self.model.records[*i].home {
                    Home::Plain(at) => at == space,
                    Home::Family => space == PLAIN.len(),
                    Home::Floating => true,
                })
                .collect();
            if let Some(target) = self.tape.pick(&targets) {
                let space = PLAIN.get(space).map_or_else(|| "fam[\"a\"]".to_string(), |s| s.to_string());
                self.line(&format!("send create R{target} in {space} {{ n: 1 }}"));
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
}

//! What the token at which reading stopped was meant to be.

use super::elsewhere::is_no_result;
use super::first_word::{INVARIANT, first_word};
use super::{Habit, Place, type_elsewhere, word, word_before};
use crate::literal;
use crate::mend::closing;

/// A name that is an operator before its operand in other languages. `text` begins with it.
pub(crate) fn prefix(text: &str) -> Option<Habit> {
    let found = word(text);
    let rest = text[found.len()..].trim_start_matches([' ', '\t']);
    if found != "not" || !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"') || rest.starts_with("in ") {
        return None;
    }
    word_token(text, text.len() - rest.len(), word(rest), Place::Block)
}

const OPERATORS: &str = "=<>!+-*/%&|^~?:.;,'`#$@\\";

/// What the token at `at` of a text was meant to be. The text begins with the statement or declaration that it is in, what
/// was lost of it begins at `lost`.
pub(crate) fn token(text: &str, lost: usize, at: usize, place: Place) -> Option<Habit> {
    // The whole run of operator characters around the place.
    let is_operator = |byte: u8| OPERATORS.as_bytes().contains(&byte);
    let bytes = text.as_bytes();
    let here = bytes.get(at).is_some_and(|&byte| is_operator(byte));
    let mut from = at;
    while here && from > 0 && is_operator(bytes[from - 1]) {
        from -= 1;
    }
    let mut to = at;
    while to < bytes.len() && is_operator(bytes[to]) {
        to += 1;
    }
    let found = word(&text[at..]);
    if !found.is_empty() {
        return word_token(text, at, found, place);
    }
    let called = text[..at].trim_end_matches(' ');
    if text[at..].starts_with('(') && matches!(word_before(called, called.len()), "function" | "fn") {
        let word = word_before(called, called.len());
        return word_token(text, called.len() - word.len(), word, place);
    }
    let run = &text[from..to];
    let after = text[to..].trim_start_matches([' ', '\t']);
    let ends_line = after.is_empty() || after.starts_with(['\n', '\r', '}']);
    let not_operator = |help: &str| Some(Habit::new(from, to, format!("`{run}` is not an operator here"), help));
    let at_char = Habit::new(at, (at + 1).min(text.len()), "", "");
    let as_char = |message: &str, help: &str| Some(Habit { message: message.to_owned(), help: help.to_owned(), ..at_char.clone() });
    let first = word(text);
    let arms = matches!(place, Place::StmtArms | Place::ExprArms);
    let code = matches!(place, Place::Block | Place::Saga | Place::ValueBlock | Place::StmtArms | Place::ExprArms | Place::SendArms);
    match run {
        "++" | "--" => {
            let op = &run[..1];
            let habit = not_operator(&format!("write `x {op}= 1`"))?;
            Some(if ends_line { habit.fix(format!(" {op}= 1")) } else { habit })
        }
        "**" => not_operator("multiply: `x * x`"),
        "*=" | "/=" | "%=" | "??=" | "||=" | "&&=" | "**=" => {
            let op = &run[..run.len() - 1];
            not_operator(&format!("write `x = x {op} …`"))
        }
        "===" | "!==" => not_operator(&format!("write `{}`", &run[..2])).map(|habit| habit.fix(&run[..2])),
        "<>" => not_operator("write `!=`").map(|habit| habit.fix("!=")),
        ":=" => not_operator("write `=`").map(|habit| habit.fix("=")),
        "::" => not_operator("write `.`").map(|habit| habit.fix(".")),
        "..." if text[..from].trim_end().ends_with(['[', ',']) => {
            not_operator("two lists are joined with `+`: `xs + [x]`; to append to a cell write `self.xs += x`")
        }
        "..." | ".." | "..=" => not_operator("for numbers write `range(n)`, for a part of a list `xs.skip(a).take(b)`"),
        "&" if code => not_operator("write `&&`").map(|habit| habit.fix("&&")),
        "|" if code && text[..from].trim_end().ends_with(['(', ',']) => {
            let habit = Habit::new(from, to, "a lambda is written with `=>`", "write `x => …` or `(a, b) => …`");
            let close =
                text[to..].find('|').filter(|close| text[to..to + close].chars().all(|c| c.is_ascii_alphanumeric() || "_, ".contains(c)));
            Some(match close.map(|close| (to + close + 1, text[to..to + close].trim())) {
                Some((end, names)) if names.contains(',') => Habit { end, ..habit }.fix(format!("({names}) =>")),
                Some((end, name)) => Habit { end, ..habit }.fix(format!("{name} =>")),
                None => habit,
            })
        }
        "|" if code => not_operator("write `||`").map(|habit| habit.fix("||")),
        "^" | "~" | "<<" | ">>" | ">>>" => not_operator("there are no operators on bits"),
        "->" if matches!(place, Place::StmtArms | Place::ExprArms | Place::SendArms) => {
            not_operator("an arm is written `pattern => …`").map(|habit| habit.fix("=>"))
        }
        "=>" | ":"
            if matches!(place, Place::Record | Place::File | Place::Extern)
                && text[..from].trim_end().ends_with(')')
                && is_nothing(after) =>
        {
            let end = text.len() - after.len() + word(after).len();
            Some(Habit::new(from, end, "nothing is written for no result", "leave it out: without `-> Type` there is no result").fix(""))
        }
        "=>" if matches!(place, Place::Record | Place::File | Place::Extern) => {
            let habit = not_operator("a result is written `-> Type`, a body in braces")?;
            Some(if after.starts_with(|c: char| c.is_ascii_uppercase()) { habit.fix("->") } else { habit })
        }
        "=" if matches!(first, "cell" | "derived") && !text[..from].contains([':', '\n']) => {
            let start = text[..from].trim_end().len();
            let name = word_before(text, start);
            let habit =
                |ty: &str| Habit::new(start, to, format!("the type of `{name}` is missing"), format!("write `{first} {name}: {ty} = …`"));
            Some(type_of_literal(after).map_or_else(|| habit("Type"), |ty| habit(ty).fix(format!(": {ty} ="))))
        }
        "=" if matches!(first, "if" | "require" | "expect" | "else") => not_operator("compare with `==`").map(|habit| habit.fix("==")),
        "=" if matches!(place, Place::StmtArms | Place::ExprArms | Place::SendArms) => {
            not_operator("an arm is written `pattern => …`").map(|habit| habit.fix("=>"))
        }
        "?:" if !code && !word_before(text, from).is_empty() && after.starts_with(|c: char| c.is_ascii_uppercase()) => {
            let (name, ty) = (word_before(text, from), word(after));
            let message = "what may be absent has its `?` behind the type";
            let habit = Habit::new(from, text.len() - after.len() + ty.len(), message, format!("write `{name}: {ty}?`"));
            let whole = !after[ty.len()..].starts_with(['<', '@', '?']);
            Some(if whole { habit.fix(format!(": {ty}?")) } else { Habit { help: format!("write `{name}: {ty}…?`"), ..habit } })
        }
        "?:" => not_operator("write `??`").map(|habit| habit.fix("??")),
        "?" => Some(Habit::new(
            from,
            to,
            "there is no `? :`",
            "write `if condition { a } else { b }`; for a value that may be absent `x ?? instead`",
        )),
        ":" if matches!(place, Place::Record | Place::File | Place::Extern) && text[..from].trim_end().ends_with(')') => {
            let habit = not_operator("a result is written `-> Type`")?;
            let start = text[..from].trim_end().len();
            Some(Habit { start, ..habit }.fix(if text[to..].starts_with([' ', '\t']) { " ->" } else { " -> " }))
        }
        ":" if matches!(place, Place::Block | Place::Saga) && first.len() == text[..from].trim_end().len() => {
            not_operator(&format!("write `let {first}: Type = …`"))
        }
        ":" if arms
            && !word_before(text, from).is_empty()
            && text[lost.min(from)..from].contains('(')
            && !text[lost.min(from)..from].contains("=>") =>
        {
            let start = from - word_before(text, from).len();
            let end = text.len() - after.len();
            let help = "write the name that it gets here alone: `Status.claimed(by)`";
            Some(Habit::new(start, end, "what a variant holds is matched by its position, not by its name", help).fix(""))
        }
        ":" if place == Place::ValueBlock => not_operator("a struct is written `Message { text: t }`, a map `Map[\"key\": value]`"),
        "=>" if matches!(place, Place::Block | Place::ValueBlock | Place::Saga) => {
            not_operator("a lambda stands between the brackets of a call: `xs.map(x => …)`")
        }
        ":" => not_operator("a block is written in braces: `{ … }`").filter(|_| ends_line),
        "///" => Some(Habit::new(from, to, "`///` documents a declaration, and none follows", "a comment is written `// …`").fix("//")),
        "/*" | "/**" => Some(Habit::new(from, to, "there are no comments of this kind", "write `//` before each line")),
        _ if text[at..].starts_with('\'') => {
            let rest = &text[at + 1..];
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            let close = line.find('\'');
            let habit = as_char("a text is written in double quotes", "write `\"…\"`")?;
            Some(match close {
                Some(close) if !line[..close].contains(['"', '{', '\\']) => {
                    Habit { end: at + close + 2, ..habit }.fix(format!("\"{}\"", &line[..close]))
                }
                _ => habit,
            })
        }
        _ if arms && text[at..].starts_with('(') && lost <= at && word_before(text, at).starts_with(|c: char| c.is_ascii_lowercase()) => {
            let variant = word_before(text, at);
            let help = format!("write the name of the enum, a dot and the variant, as in `Status.{variant}(…)` of `enum Status`");
            Some(Habit::new(at - variant.len(), at, format!("the variant `{variant}` needs the name of its enum before it"), help))
        }
        _ if text[at..].starts_with('"') && is_for_type(&text[..at]) => {
            let help = "a choice between texts is an `enum`: `enum Status { open, done }`";
            let end = at + 1 + text[at + 1..].find('"').map_or(0, |end| end + 1);
            Some(Habit::new(at, end, "expected a type, found a text", help))
        }
        _ if text[at..].starts_with('[') && is_for_type(&text[..at]) => list_type(text, at, at, at + 1),
        _ if text[at..].starts_with("[]") => {
            let element = word_before(text, at);
            let start = at - element.len();
            if element.is_empty() || !is_for_type(&text[..start]) { None } else { list_type(text, start, start, at) }
        }
        _ if first == "let" && text[at..].starts_with(['{', '[']) && text[..at].trim_end().ends_with("let") => {
            as_char("a `let` gives one name", "write one for each: `let n = x.n`")
        }
        _ if text[at..].starts_with('`') => {
            let habit = as_char("a text is written in double quotes", "write `\"… {value} …\"`")?;
            let inside = &text[at + 1..];
            let close = inside.find('`').filter(|&close| !inside[..close].contains(['"', '\\', '\n']));
            Some(match close.and_then(|close| Some((close, interpolated(&inside[..close])?))) {
                Some((close, written)) => Habit { end: at + close + 2, ..habit }.fix(format!("\"{written}\"")),
                None => habit,
            })
        }
        _ if text[at..].starts_with('#') => as_char("`#` begins nothing here", "a comment is written `// …`"),
        _ if text[at..].starts_with('$') => as_char("names have no `$`", "in a text write `\"… {value} …\"`"),
        _ if text[at..].starts_with(';') => as_char("there is no `;` here", "leave it out").map(|habit| habit.fix("")),
        _ if text[at..].starts_with(',') && text[at..].lines().next().is_some_and(|line| line.contains(":=")) => {
            as_char("a `let` gives one name", "write one for each: `let n = x.n`")
        }
        _ if text[at..].starts_with(',') && matches!(place, Place::Record | Place::File | Place::Block | Place::Extern | Place::Mirror) => {
            as_char("no comma stands here", "leave it out: each begins on a line of its own")
                .filter(|_| at == lost)
                .map(|habit| habit.fix(""))
        }
        _ if text[at..].starts_with('@') => {
            as_char("`@` stands here without a meaning", "a warning is switched off with `@allow(rule-name, \"why\")`")
        }
        _ => None,
    }
}

/// The type of a text that begins with a literal.
fn type_of_literal(text: &str) -> Option<&'static str> {
    let number = text.strip_prefix('-').unwrap_or(text);
    let digits = number.len() - number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').len();
    match word(text) {
        "true" | "false" => Some("Bool"),
        _ if text.starts_with('"') => Some("Text"),
        _ if digits == 0 => None,
        // `30s` is a Duration, `1.5` a Float.
        _ => match number[digits..].chars().next() {
            Some('.') => Some("Float"),
            Some(unit) if unit.is_ascii_alphabetic() => Some("Duration"),
            _ => Some("Int"),
        },
    }
}

/// Whether a type is wanted after a text.
fn is_for_type(before: &str) -> bool {
    let before = before.trim_end();
    before.ends_with("->") || before.ends_with('<') || (before.ends_with(':') && !before.ends_with("::"))
}

/// `[Text]` and `Text[]`, which begin at `start`: the type of the elements is at `inner`, or before `open`, their bracket.
fn list_type(text: &str, start: usize, inner: usize, open: usize) -> Option<Habit> {
    let close = open + text[open..].find(']')?;
    let element = if inner < open && text[inner..].starts_with('[') { text[open..close].trim() } else { text[inner..open].trim() };
    let is_name = element.starts_with(|c: char| c.is_ascii_alphabetic()) && element.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let element = match type_elsewhere(element) {
        Some(meant) => meant.to_owned(),
        None if is_name => literal::upper_camel(element),
        None => element.to_owned(),
    };
    let is_type = element.starts_with(|c: char| c.is_ascii_uppercase())
        && element.chars().all(|c| c.is_ascii_alphanumeric() || "_<>?@, ".contains(c));
    let help = if is_type { format!("write `List<{element}>`") } else { "write `List<Text>`, with the type of the elements".to_owned() };
    let habit = Habit::new(start, close + 1, "the type of a list is written with its name", help);
    Some(if is_type { habit.fix(format!("List<{element}>")) } else { habit })
}

fn is_type_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase()) || type_elsewhere(word).is_some()
}

/// Whether a text begins with what other languages write for no result.
fn is_nothing(text: &str) -> bool {
    is_no_result(word(text))
}

/// What stands in a text between backticks, as it is written here.
fn interpolated(inside: &str) -> Option<String> {
    let mut out = String::with_capacity(inside.len() + 4);
    let mut rest = inside;
    while let Some(at) = rest.find(['{', '}', '$']) {
        out.push_str(&rest[..at]);
        if rest[at..].starts_with("${") {
            let close = at + 1 + closing(&rest[at + 1..])?;
            out.push_str(&rest[at + 1..=close]);
            rest = &rest[close + 1..];
        } else {
            if rest[at..].starts_with('{') {
                out.push('\\');
            }
            let length = 1;
            out.push_str(&rest[at..at + length]);
            rest = &rest[at + length..];
        }
    }
    out.push_str(rest);
    Some(out)
}

/// `function (x) { return e; }` and `function (x) { e }` as `x => e`, and where it ends; `at` is where the word stands that ends at `end`.
fn function_lambda(text: &str, at: usize, end: usize) -> Option<(usize, String)> {
    let open = end + text[end..].len() - text[end..].trim_start().len();
    let open = if text[open..].starts_with('(') { open } else { return None };
    let close = open + closing(&text[open..])?;
    let names = text[open + 1..close].trim();
    let body_at = close + 1 + text[close + 1..].len() - text[close + 1..].trim_start().len();
    if text[at..end] == *"async"
        || !text[body_at..].starts_with('{')
        || !names.chars().all(|c| c.is_ascii_alphanumeric() || "_, ".contains(c))
    {
        return None;
    }
    let body_end = body_at + closing(&text[body_at..])?;
    let body = text[body_at + 1..body_end].trim();
    let body = body.strip_prefix("return ").unwrap_or(body).trim_end_matches(';').trim();
    let params = if names.contains(',') || names.is_empty() { format!("({names})") } else { names.to_owned() };
    (!body.is_empty() && !body.contains([';', '\n'])).then(|| (body_end + 1, format!("{params} => {body}")))
}

/// Where the statement ends that stands at a place behind `if (…)`, without braces.
fn bare_branch(text: &str, at: usize) -> Option<usize> {
    let open = text.find('(')?;
    let is_whole = text["if".len()..open].trim().is_empty() && text[..at].trim_end().len() == open + closing(&text[open..])? + 1;
    let line = at + text[at..].find(['\n', '}']).unwrap_or(text.len() - at);
    let line = at + text[at..line].find(" //").unwrap_or(line - at);
    let end = text[..line].trim_end().trim_end_matches(';').len();
    (is_whole && !text[at..line].contains("else")).then_some(end)
}

/// `not`, which negates all up to the next `and` or `or`, where `!` negates the value behind it alone.
pub(super) fn negation(text: &str, not: usize, operand: usize) -> Habit {
    let habit = Habit::new(not, operand, "`not` is not an operator here", "write `!x`, or `!(…)` of more than a name or a call");
    match negated(&text[operand..]) {
        Some((_, true)) => habit.fix("!"),
        Some((length, false)) => habit.fix("!(").and(operand + length, operand + length, ")"),
        None => habit.meant("!"),
    }
}

/// How long what a `not` before it negates is, and whether that is one value; nothing where the end is not certain.
fn negated(text: &str) -> Option<(usize, bool)> {
    let (mut depth, mut at, mut one_value, mut gap) = (0_usize, 0, true, false);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        let rest = &text[at..];
        let is_end = matches!(byte, b')' | b']' | b'{' | b'}' | b',' | b';' | b'\n')
            || ["&&", "||", "=>", "//"].iter().any(|end| rest.starts_with(end))
            || ["and", "or", "else", "then", "do"].contains(&word(rest));
        if depth == 0 && is_end {
            break;
        }
        one_value &= depth > 0 || !gap || byte == b' ';
        match byte {
            b' ' => gap |= depth == 0,
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'"' => {
                let length = rest[1..].find(['"', '\n', '{', '\\']).filter(|end| rest[1 + end..].starts_with('"'))?;
                at += 1 + length;
            }
            b'\'' | b'`' | b'{' | b'}' => return None,
            _ if byte.is_ascii_alphanumeric() || byte == b'_' => {
                at += word(rest).len();
                continue;
            }
            b'.' => {}
            _ => one_value &= depth > 0,
        }
        at += text[at..].chars().next().map_or(1, char::len_utf8);
    }
    let operand = text[..at].trim_end();
    (depth == 0 && !operand.is_empty()).then_some((operand.len(), one_value))
}

fn word_token(text: &str, at: usize, found: &str, place: Place) -> Option<Habit> {
    let end = at + found.len();
    let first = word(text);
    let before = text[..at].trim_end_matches([' ', '\t']);
    let word_before = word_before(before, before.len());
    let word_at = before.len() - word_before.len();
    let not_operator = |help: &str| Some(Habit::new(at, end, format!("`{found}` is not an operator here"), help));
    let rest = text[end..].trim_start();
    match word_before {
        "and" | "or" | "is" if word_at > 0 => {
            let op = match word_before {
                "and" => "&&",
                "or" => "||",
                _ => "==",
            };
            let message = format!("`{word_before}` is not an operator here");
            return Some(Habit::new(word_at, before.len(), message, format!("write `{op}`")).fix(op));
        }
        "not" => return Some(negation(text, word_at, at)),
        "new" => {
            let help = format!("write `create {found} {{ … }}` for a record, `{found} {{ … }}` for a struct");
            return Some(Habit::new(word_at, before.len(), "`new` is not a word of the language", help));
        }
        _ => {}
    }
    let behind_across = || text[..at].split_whitespace().any(|word| word == "across") && !text[..at].contains('{');
    match found {
        "writes" if matches!(first, "handler" | "internal") && behind_across() => Some(Habit::new(
            at,
            end,
            "`writes` stands before `across`",
            "a handler is written `handler name(x: Type) -> Type writes Record.cell across space { … }`",
        )),
        "NULL" | "null" | "REFERENCES" | "references" | "AUTO_INCREMENT" | "auto_increment" | "nullable" | "check" | "CHECK"
            if first == "cell" =>
        {
            let help = match found {
                "check" | "CHECK" => INVARIANT,
                "NULL" | "null" | "nullable" => "what may be absent has a type with `?`: `cell name: Text?`",
                "REFERENCES" | "references" => "a link has the type of its record: `cell owner: Person`",
                _ => "each record has an identity of its own; a new one for a key is `new_id()`",
            };
            Some(Habit::new(at, end, format!("`{found}` is not a word of the language"), help))
        }
        "AND" => not_operator("write `&&`").map(|habit| habit.fix("&&")),
        "OR" => not_operator("write `||`").map(|habit| habit.fix("||")),
        "and" => not_operator("write `&&`").map(|habit| habit.fix("&&")),
        "or" => not_operator("write `||`").map(|habit| habit.fix("||")),
        "is" | "eq" | "equals" => not_operator("write `==`").map(|habit| habit.fix("==")),
        "not" => {
            let operand = text.len() - rest.len();
            Some(negation(text, at, operand))
        }
        "instanceof" => not_operator("look at the variant with `match`"),
        "of" if first == "for" => not_operator("write `in`").map(|habit| habit.fix("in")),
        "then" | "do" if matches!(first, "if" | "else" | "for" | "match") => {
            Some(Habit::new(at, end, format!("no `{found}` stands here"), "a block is written in braces: `{ … }`"))
        }
        "function" | "async" | "fn" | "lambda" if before.ends_with(['(', ',']) => {
            let habit = Habit::new(at, end, "a lambda is written with `=>`", "write `x => …` or `(a, b) => …`");
            Some(function_lambda(text, at, end).map_or(habit.clone(), |(end, fix)| Habit { end, ..habit }.fix(fix)))
        }
        "extends" | "implements" | "with" if first == "record" => {
            let brace = text[at..].find('{').map_or(end, |brace| at + brace);
            let help = "give it a cell that holds the other, such as `cell base: Base`; what several share is a `struct`, or a `fn`";
            let span_end = text[..brace].trim_end().len();
            Some(Habit::new(at, span_end, "a record has no other below it", help).meant(""))
        }
        "return" | "fail" | "throw" | "self" | "let" | "send" | "delete"
            if first == "if" && before.ends_with(')') && bare_branch(text, at).is_some() =>
        {
            let line_end = bare_branch(text, at)?;
            let habit = Habit::new(at, at, "a block is written in braces", "write `if condition { … }`");
            Some(habit.fix("{ ").and(line_end, line_end, " }"))
        }
        _ if matches!(first, "cell" | "derived") && before == format!("{first} {word_before}") && is_type_name(found) => {
            let help = format!("write `{first} {word_before}: {}`", type_elsewhere(found).unwrap_or(found));
            Some(Habit::new(before.len(), at, format!("a `:` is missing between `{word_before}` and its type"), help).fix(": "))
        }
        "await" => first_word(&text[at..], place).map(|habit| Habit { start: at, end, ..habit }),
        _ if place == Place::Block
            && !word_before.is_empty()
            && word_before.len() == before.len()
            && !crate::literal::is_reserved(first) =>
        {
            let help = format!("a call is written `{word_before}({found})`; a new statement begins on a line of its own");
            Some(Habit::new(at, end, format!("unexpected `{found}` after `{word_before}`"), help))
        }
        _ => None,
    }
}

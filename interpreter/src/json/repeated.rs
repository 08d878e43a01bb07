//! Names that an object has twice. JSON allows it, readers differ in which one counts, and whoever wrote it meant both.

use patternc_program::{Program, Type};
use rustc_hash::FxHashSet;

/// The way to a value inside another.
type Way = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
}

/// An object or array around a place.
enum Around {
    /// With its names so far.
    Object(FxHashSet<String>),
    Array,
}

/// The first name that an object inside `text` has twice. The text is JSON, which has been tested.
pub(crate) fn repeated_name(text: &str) -> Option<String> {
    first_repeated(text, |_| true)
}

/// The same of objects and names that are read by who reads a value of this type, and ignores what that does not have.
pub(crate) fn repeated_name_of(program: &Program, ty: &Type, text: &str) -> Option<String> {
    first_repeated(text, |way| is_read(program, ty, way))
}

fn first_repeated(text: &str, counts: impl Fn(&[Step]) -> bool) -> Option<String> {
    // Around the place; and the way there, a step for each of these.
    let (mut around, mut way): (Vec<Around>, Way) = (Vec::new(), Vec::new());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' => {
                around.push(Around::Object(FxHashSet::default()));
                way.push(Step::Name(String::new()));
            }
            b'[' => {
                around.push(Around::Array);
                way.push(Step::Index(0));
            }
            b'}' | b']' => {
                around.pop();
                way.pop();
            }
            b',' => {
                if let Some(Step::Index(index)) = way.last_mut() {
                    *index += 1;
                }
            }
            b'"' => {
                let end = end_of_text(bytes, at);
                if bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
                    let name: String = serde_json::from_str(&text[at..end]).ok()?;
                    *way.last_mut()? = Step::Name(name.clone());
                    let Around::Object(names) = around.last_mut()? else { return None };
                    if let Some(repeated) = names.replace(name)
                        && counts(&way)
                    {
                        return Some(repeated);
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether what is there is read.
fn is_read(program: &Program, ty: &Type, way: &[Step]) -> bool {
    let Some((step, rest)) = way.split_first() else { return true };
    let field = |fields: &[patternc_program::Field], name: &str, rest: &[Step]| {
        fields.iter().find(|field| field.name == *name).is_some_and(|field| is_read(program, &field.ty, rest))
    };
    match (ty, step) {
        (Type::Optional(of), _) => is_read(program, of, way),
        (Type::List(of) | Type::Set(of), Step::Index(_)) => is_read(program, of, rest),
        (Type::Map(key, of), Step::Name(_)) if **key == Type::Text => is_read(program, of, rest),
        (Type::Map(key, of), Step::Index(_)) => match rest.split_first() {
            Some((Step::Index(0), rest)) => is_read(program, key, rest),
            Some((Step::Index(1), rest)) => is_read(program, of, rest),
            _ => true,
        },
        (Type::Struct(id, _), Step::Name(name)) => field(&program.structs[id.index()].fields, name, rest),
        (Type::Enum(id, _), Step::Name(name)) => {
            let variant = program.enums[id.index()].variants.iter().find(|variant| variant.name == **name);
            variant.is_some_and(|variant| match rest.split_first() {
                Some((Step::Name(name), rest)) => field(&variant.fields, name, rest),
                _ => true,
            })
        }
        _ => true,
    }
}

/// Behind the closing quote of the text that opens at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::repeated_name;

    #[test]
    fn names_are_told_apart_from_texts_and_by_object() {
        for (json, repeated) in [
            (r#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}],"d":"a","e":"\"a\":"}"#, None),
            (r#"{"a":1 , "b" : 2, "a" : 3}"#, Some("a")),
            (r#"{"x":[{"a":1,"\u0061":2}]}"#, Some("a")),
            (r#"{"x":{"ü\\":1,"ü\\":2}}"#, Some("ü\\")),
            (r#""a""#, None),
        ] {
            assert_eq!(repeated_name(json).as_deref(), repeated, "{json}");
        }
    }
}

//! What a part of the text that could not be read was to declare.

use ustr::ustr;

use crate::habits::Place;
use crate::literal;
use crate::syntax::Name;

/// Words that stand before the name of what is declared, here or in other languages.
const DECLARING: &str = "record struct enum fn extern mirror invariant eventually space cell derived handler internal saga let step pivot class object \
    interface type trait entity model table TABLE data sealed case abstract final export default pub public private protected \
    static readonly override async function def func fun method sub proc const var val mut auto field property attribute state \
    column get set computed getter event action command on union namespace module CREATE create IF NOT EXISTS message service";

/// The names that a text which begins with what was lost was to declare.
pub(crate) fn names(text: &str, place: Place) -> Vec<Name> {
    let mut rest = text;
    let mut declares = false;
    loop {
        let word = crate::habits::word(rest);
        if word.is_empty() || !DECLARING.split(' ').any(|declaring| declaring == word) {
            break;
        }
        declares = true;
        rest = rest[word.len()..].trim_start_matches([' ', '\t']);
    }
    let first = crate::habits::word(rest);
    let behind = rest[first.len()..].trim_start_matches([' ', '\t']);
    match place {
        Place::File if !declares => Vec::new(),
        Place::File | Place::Record | Place::Extern => name(first).into_iter().collect(),
        // A statement is a declaration with one of those words, or as `x := 1`.
        Place::Block | Place::ValueBlock | Place::Saga | Place::StmtArms => {
            let is_pair_or_walrus = behind.starts_with(":=") || behind.starts_with(',');
            if !declares && !is_pair_or_walrus {
                return Vec::new();
            }
            let end = rest.find(['=', '\n']).unwrap_or(rest.len());
            // `let { a, b } = x`, `a, b := x`, `let x: Text[] = y`.
            rest[..end].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter_map(name).collect()
        }
        Place::Mirror | Place::ExprArms | Place::SendArms => Vec::new(),
    }
}

fn name(word: &str) -> Option<Name> {
    let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !literal::is_reserved(word);
    is_name.then(|| ustr(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_part_keeps_the_names_it_declares() {
        let told = |text: &str, place| names(text, place).iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(told("export abstract class Foo<T> { }", Place::File), "Foo");
        assert_eq!(told("CREATE TABLE IF NOT EXISTS Shelf (id INT)", Place::File), "Shelf");
        assert_eq!(told("garbage here", Place::File), "");
        assert_eq!(told("quantity Int", Place::Record), "quantity");
        assert_eq!(told("async total(): Int { }", Place::Record), "total");
        assert_eq!(told("let { a, b } = x", Place::Block), "a b");
        assert_eq!(told("n, err := f()", Place::Block), "n err");
        assert_eq!(told("foo bar", Place::Block), "");
    }
}

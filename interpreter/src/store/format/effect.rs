//! Effects: what a transaction did to the tables, as it stands in the journal.
//!
//! An entry of the journal is a JSON array of effects, in order, of one or more transactions. Types and cells are named by their ids in the
//! schema, records by their place in the order of creation (`n`).
//!
//! | effect | means |
//! |---|---|
//! | `["new", type, n, space, id]` | a record was created; its cells follow |
//! | `["del", type, n]` | it was deleted |
//! | `["set", cell, n, value]` | a cell that is a column has this value |
//! | `["put", cell, n, key, value]` | an element at a position of a list, a map's entry; of a set without `value` |
//! | `["rem", cell, n, key]` | it is gone |
//! | `["clr", cell, n]` | all elements are gone |
//! | `["out", sent, id, event, state]` | an event was sent |
//! | `["state", id, state]`, `["unout", id]` | its state changed; it has been dealt with |
//! | `["inv", invariant, n]` | an invariant was evaluated for a record; only where several processes write |
//! | `["in", id, received, type, keep_until]`, `["forget", id]` | an event was received; it is forgotten |

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::native::Native;

/// One effect, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Effect {
    New { ty: u32, n: u64, space: String, id: String },
    Del { ty: u32, n: u64 },
    Set { cell: u32, n: u64, value: Native },
    Put { cell: u32, n: u64, key: Native, value: Native },
    Rem { cell: u32, n: u64, key: Native },
    Clr { cell: u32, n: u64 },
    Out { sent: u64, id: String, event: Native, state: Native },
    State { id: String, state: Native },
    Unout { id: String },
    In { id: String, received: Native, ty: String, keep_until: Option<i64> },
    Forget { id: String },
    Inv { name: String, n: u64 },
}

/// Reads the effects of an entry of the journal.
pub(in crate::store) fn read(text: &str) -> serde_json::Result<Vec<Effect>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let effects = Vec::deserialize(&mut reader)?;
    reader.end()?;
    Ok(effects)
}

impl<'de> Deserialize<'de> for Effect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EffectVisitor)
    }
}

struct EffectVisitor;

impl<'de> Visitor<'de> for EffectVisitor {
    type Value = Effect;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an effect")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Effect, A::Error> {
        fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(items: &mut A) -> Result<T, A::Error> {
            items.next_element()?.ok_or_else(|| A::Error::custom("an effect ends too soon"))
        }
        let items = &mut items;
        let effect = match next::<&str, A>(items)? {
            "new" => Effect::New { ty: next(items)?, n: next(items)?, space: next(items)?, id: next(items)? },
            "del" => Effect::Del { ty: next(items)?, n: next(items)? },
            "set" => Effect::Set { cell: next(items)?, n: next(items)?, value: next(items)? },
            "put" => {
                let (cell, n, key) = (next(items)?, next(items)?, next(items)?);
                return Ok(Effect::Put { cell, n, key, value: items.next_element()?.unwrap_or(Native::Null) });
            }
            "rem" => Effect::Rem { cell: next(items)?, n: next(items)?, key: next(items)? },
            "clr" => Effect::Clr { cell: next(items)?, n: next(items)? },
            "out" => Effect::Out { sent: next(items)?, id: next(items)?, event: next(items)?, state: next(items)? },
            "state" => Effect::State { id: next(items)?, state: next(items)? },
            "unout" => Effect::Unout { id: next(items)? },
            "in" => Effect::In { id: next(items)?, received: next(items)?, ty: next(items)?, keep_until: next(items)? },
            "inv" => Effect::Inv { name: next(items)?, n: next(items)? },
            "forget" => Effect::Forget { id: next(items)? },
            other => return Err(A::Error::custom(format!("there is no effect {other:?}"))),
        };
        Ok(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_read() {
        let text = r#"[["new",0,1,"home","a"],["set",2,1,9223372036854775807],["set",2,1,1.0],["put",3,1,0,{"a":[1,true]}],["put",4,1,"x"],
            ["in","e","x","Int",null],["set",2,1,null],["set",2,1,true]]"#;
        let read = read(text).unwrap();
        let set = |value| Effect::Set { cell: 2, n: 1, value };
        assert_eq!(
            read,
            vec![
                Effect::New { ty: 0, n: 1, space: "home".into(), id: "a".into() },
                set(Native::Integer(i64::MAX)),
                set(Native::Real(1.0)),
                Effect::Put { cell: 3, n: 1, key: Native::Integer(0), value: Native::Text(r#"{"a":[1,true]}"#.into()) },
                Effect::Put { cell: 4, n: 1, key: Native::Text("x".into()), value: Native::Null },
                Effect::In { id: "e".into(), received: Native::Text("x".into()), ty: "Int".into(), keep_until: None },
                set(Native::Null),
                set(Native::Integer(1)),
            ]
        );
        for wrong in [r#"[["nw",1]]"#, r#"[["set",1]]"#, r#"[["set",1,-1,2]]"#, "[[", r#"[["del",1,2,3]]"#] {
            assert!(super::read(wrong).is_err(), "{wrong}");
        }
    }
}

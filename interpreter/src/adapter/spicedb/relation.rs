//! Relationships as patterns write them and as SpiceDB does.
//!
//! A pattern writes `document:readme` and `group:eng#member`. An object's id may hold any text: what SpiceDB does not take in an id is sent as
//! `=` and two hexadecimal digits a byte (UTF-8), and read back. What follows the last `#` of a subject is its relation.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

/// A relationship of which parts may be open: a filter, unless all are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub resource: Option<String>,
    pub relation: Option<String>,
    pub subject: Option<String>,
}

impl Parts {
    /// As a relationship.
    pub fn relationship(&self) -> Result<Json, String> {
        let part = |name: &str, part: &Option<String>| part.clone().ok_or_else(|| format!("a relationship needs a `{name}`"));
        let (resource, relation) = (part("resource", &self.resource)?, part("relation", &self.relation)?);
        let (subject, subject_relation) = split_subject(&part("subject", &self.subject)?);
        Ok(json!({
            "resource": object(&resource)?,
            "relation": relation,
            "subject": { "object": object(&subject)?, "optionalRelation": subject_relation },
        }))
    }

    /// As a filter. A resource may be a type (`document`), an object, or the beginning of its id (`document:at://ann/*`); a subject a type
    /// or an object.
    pub fn filter(&self) -> Result<Json, String> {
        let mut filter = json!({});
        if let Some(resource) = &self.resource {
            match resource.split_once(':') {
                None => filter["resourceType"] = resource.as_str().into(),
                Some((ty, id)) => {
                    filter["resourceType"] = ty.into();
                    match id.strip_suffix('*') {
                        Some("") => {}
                        Some(prefix) => filter["optionalResourceIdPrefix"] = encode(prefix).into(),
                        None => filter["optionalResourceId"] = encode(id).into(),
                    }
                }
            }
        }
        if let Some(relation) = &self.relation {
            filter["optionalRelation"] = relation.as_str().into();
        }
        if let Some(subject) = &self.subject {
            let (subject, relation) = split_subject(subject);
            let (ty, id) = subject.split_once(':').unwrap_or((&subject, ""));
            let mut wanted = json!({ "subjectType": ty });
            if !id.is_empty() {
                wanted["optionalSubjectId"] = encode(id).into();
                wanted["optionalRelation"] = json!({ "relation": relation });
            }
            filter["optionalSubjectFilter"] = wanted;
        }
        if filter.as_object().is_some_and(serde_json::Map::is_empty) {
            return Err("a filter needs a `resource`, a `relation` or a `subject`".to_owned());
        }
        Ok(filter)
    }

    /// From a relationship that SpiceDB has.
    pub fn read(relationship: &Json) -> Option<Parts> {
        let object = |json: &Json| Some(format!("{}:{}", json.get("objectType")?.as_str()?, decode(json.get("objectId")?.as_str()?)));
        let subject = relationship.get("subject")?;
        let mut text = object(subject.get("object")?)?;
        match subject.get("optionalRelation").and_then(Json::as_str) {
            None | Some("") => {}
            Some(relation) => {
                text.push('#');
                text.push_str(relation);
            }
        }
        Some(Parts {
            resource: Some(object(relationship.get("resource")?)?),
            relation: Some(relationship.get("relation")?.as_str()?.to_owned()),
            subject: Some(text),
        })
    }
}

/// `type:id`.
pub(super) fn object(text: &str) -> Result<Json, String> {
    match text.split_once(':') {
        Some((ty, id)) if !ty.is_empty() && !id.is_empty() => Ok(json!({ "objectType": ty, "objectId": encode(id) })),
        _ => Err(format!("{text:?} is no object: write its type and its id, like document:readme")),
    }
}

/// A subject, as sent with a check.
pub(super) fn subject(text: &str) -> Result<Json, String> {
    let (subject, relation) = split_subject(text);
    Ok(json!({ "object": object(&subject)?, "optionalRelation": relation }))
}

/// `group:eng#member` as `group:eng` and `member`.
fn split_subject(text: &str) -> (String, String) {
    match text.rsplit_once('#') {
        Some((subject, relation)) => (subject.to_owned(), relation.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

fn is_code(bytes: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    bytes.len() >= 2 && bytes[..2].iter().all(digit)
}

/// An id as SpiceDB takes it.
pub(super) fn encode(id: &str) -> String {
    // The subject that stands for everyone.
    if id == "*" {
        return id.to_owned();
    }
    let mut out = String::with_capacity(id.len());
    let bytes = id.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"/_|-=+".contains(&byte);
        if plain && !(byte == b'=' && is_code(&bytes[at + 1..])) {
            out.push(char::from(byte));
        } else {
            write!(out, "={byte:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

/// What [`encode`] was given.
pub(super) fn decode(id: &str) -> String {
    let mut out = Vec::with_capacity(id.len());
    let mut rest = id.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'=' && is_code(tail) {
            let digits = std::str::from_utf8(&tail[..2]).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
            out.push(digits.unwrap_or(byte));
            rest = &tail[2..];
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_an_id_and_comes_back() {
        for id in ["readme", "at://did:plc:ann/space/1", "a=41", "==", "ü x", "=", "a=b", "100%"] {
            let encoded = encode(id);
            assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_|-=+".contains(&byte)), "{encoded}");
            assert_eq!(decode(&encoded), id);
        }
    }

    #[test]
    fn relationships_and_filters_are_what_spicedb_takes() {
        let parts = |resource: &str, relation: &str, subject: &str| {
            let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Parts { resource: given(resource), relation: given(relation), subject: given(subject) }
        };
        let whole = parts("doc:a b", "reader", "group:eng#member");
        let sent = whole.relationship().expect("it is whole");
        assert_eq!(sent["resource"]["objectId"], "a=20b");
        assert_eq!(sent["subject"]["optionalRelation"], "member");
        assert_eq!(Parts::read(&sent), Some(whole));
        let filter = parts("doc:at://ann/*", "", "user").filter().expect("it is a filter");
        assert_eq!(filter["optionalResourceIdPrefix"], "at=3A//ann/");
        assert_eq!(filter["optionalSubjectFilter"], json!({ "subjectType": "user" }));
        assert!(parts("", "", "").filter().is_err());
        assert!(parts("doc", "reader", "user:x").relationship().is_err());
        assert!(parts("doc:x", "", "user:x").relationship().is_err());
    }
}

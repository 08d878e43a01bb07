//! Numbers, durations, escapes, and the case of names.

/// What a number turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
    /// Milliseconds.
    Duration(i64),
}

/// What is wrong with a number, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberError {
    pub message: String,
    pub help: String,
}

/// The digits of 2^63: the one number that fits only with a minus before it.
pub(crate) const MIN_DIGITS: &str = "9223372036854775808";

const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a number: `42`, `1_000`, `1.5`, `2e9`, `250ms`.
pub(crate) fn number(text: &str) -> Result<Number, NumberError> {
    let wrong = |message: String, help: &str| Err(NumberError { message, help: help.to_owned() });
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let plain: std::borrow::Cow<str> = if digits.contains('_') { digits.replace('_', "").into() } else { digits.into() };
    let fraction = plain.contains('.');
    if suffix.is_empty() && !fraction {
        return match plain.parse() {
            Ok(value) => Ok(Number::Int(value)),
            Err(_) => wrong(format!("`{text}` is too large for an Int"), "an Int has 64 bits: at most 9223372036854775807"),
        };
    }
    if let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == suffix) {
        if fraction {
            return match plain.parse::<f64>().map(|value| value * *unit as f64) {
                Ok(ms) if ms.fract() == 0.0 && ms < 1e15 => {
                    wrong(format!("`{text}` is not a whole number"), &format!("write `{}`", duration(ms as i64)))
                }
                _ => wrong(format!("`{text}` is not a whole number"), "write it in a smaller unit"),
            };
        }
        return match plain.parse::<i64>().ok().and_then(|value| value.checked_mul(*unit)) {
            Some(ms) => Ok(Number::Duration(ms)),
            None => wrong(format!("the duration `{text}` is too long"), "at most 106751991167d fit"),
        };
    }
    let exponent = suffix.strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    let is_float = suffix.is_empty() || exponent.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    if is_float {
        return match format!("{plain}{suffix}").parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Number::Float(value)),
            _ => wrong(format!("`{text}` is too large for a Float"), "the largest Float is about 1.8e308"),
        };
    }
    if !fraction && suffix.bytes().any(|byte| byte.is_ascii_digit()) {
        let parts = split_duration(text);
        if let Some(parts) = parts {
            return wrong(format!("`{text}` is not a number"), &format!("write `{parts}`"));
        }
    }
    wrong(format!("`{text}` is not a number"), "the units of a duration are `ms`, `s`, `m`, `h` and `d`")
}

/// `1h30m` as `1h + 30m`.
fn split_duration(text: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit())?;
        let end = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| unit + at);
        if unit == 0 || !UNITS.iter().any(|(name, _)| *name == &rest[unit..end]) {
            return None;
        }
        parts.push(&rest[..end]);
        rest = &rest[end..];
    }
    Some(parts.join(" + "))
}

/// Milliseconds in the largest unit that gives a whole number: `90000` as `90s`.
pub fn duration(ms: i64) -> String {
    let (name, unit) = UNITS.iter().rev().find(|(_, unit)| ms % unit == 0).expect("every number divides by one");
    format!("{}{name}", ms / unit)
}

/// What an escape such as `\n` or `\u{1F600}` stands for.
pub(crate) fn escape(text: &str) -> Option<char> {
    match text.as_bytes().get(1)? {
        b'n' => Some('\n'),
        b't' => Some('\t'),
        b'r' => Some('\r'),
        b'0' => Some('\0'),
        b'\\' => Some('\\'),
        b'"' => Some('"'),
        b'{' => Some('{'),
        b'}' => Some('}'),
        b'u' => {
            let digits = text.strip_prefix("\\u{")?.strip_suffix('}')?;
            u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
        }
        _ => None,
    }
}

/// Whether a word begins a declaration, member, statement or expression and so cannot be a name.
pub fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "space"
            | "struct"
            | "enum"
            | "record"
            | "fn"
            | "extern"
            | "mirror"
            | "invariant"
            | "test"
            | "use"
            | "cell"
            | "derived"
            | "handler"
            | "saga"
            | "create"
            | "let"
            | "if"
            | "else"
            | "for"
            | "match"
            | "send"
            | "require"
            | "fail"
            | "try"
            | "catch"
            | "return"
            | "delete"
            | "expect"
            | "self"
            | "true"
            | "false"
            | "none"
            | "in"
    )
}

/// `userName`, `UserName` and `User_Name` as `user_name`.
pub fn lower_snake(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 4);
    let bytes = word.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        if byte.is_ascii_uppercase() {
            let after_lower = index > 0 && !bytes[index - 1].is_ascii_uppercase() && bytes[index - 1] != b'_';
            let before_lower =
                index > 0 && bytes[index - 1].is_ascii_uppercase() && bytes.get(index + 1).is_some_and(|next| next.is_ascii_lowercase());
            if after_lower || before_lower {
                out.push('_');
            }
        }
        out.push(byte.to_ascii_lowercase() as char);
    }
    out
}

/// `user_name` and `userName` as `UserName`.
pub(crate) fn upper_camel(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for part in word.split('_').filter(|part| !part.is_empty()) {
        let (first, rest) = part.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    if out.is_empty() || !out.as_bytes()[0].is_ascii_uppercase() {
        out.insert(0, 'T');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_apart() {
        assert_eq!(number("42"), Ok(Number::Int(42)));
        assert_eq!(number("1_000"), Ok(Number::Int(1000)));
        assert_eq!(number("9223372036854775807"), Ok(Number::Int(i64::MAX)));
        assert_eq!(number("1.5"), Ok(Number::Float(1.5)));
        assert_eq!(number("2e3"), Ok(Number::Float(2000.0)));
        assert_eq!(number("2.5e-1"), Ok(Number::Float(0.25)));
        assert_eq!(number("250ms"), Ok(Number::Duration(250)));
        assert_eq!(number("7d"), Ok(Number::Duration(7 * 86_400_000)));
    }

    #[test]
    fn wrong_numbers_say_the_way_out() {
        assert!(number("9223372036854775808").unwrap_err().message.contains("too large"));
        assert!(number("99999999999999999d").unwrap_err().message.contains("too long"));
        assert_eq!(number("1.5h").unwrap_err().help, "write `90m`");
        assert_eq!(number("1h30m").unwrap_err().help, "write `1h + 30m`");
        assert!(number("5kg").unwrap_err().help.contains("`ms`"));
        assert!(number("1e999").unwrap_err().message.contains("Float"));
    }

    #[test]
    fn escapes() {
        assert_eq!(escape("\\n"), Some('\n'));
        assert_eq!(escape("\\u{1F600}"), Some('😀'));
        assert_eq!(escape("\\u{D800}"), None);
        assert_eq!(escape("\\q"), None);
    }

    #[test]
    fn cases() {
        assert_eq!(lower_snake("userName"), "user_name");
        assert_eq!(lower_snake("HTTPServer"), "http_server");
        assert_eq!(lower_snake("User_Name"), "user_name");
        assert_eq!(upper_camel("user_name"), "UserName");
        assert_eq!(upper_camel("_"), "T");
    }
}

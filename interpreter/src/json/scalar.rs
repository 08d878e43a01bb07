//! Times as text.

use jiff::Timestamp;

/// A time in RFC 3339, UTC, with milliseconds where there are any; with `fixed` always, so that texts sort as times do. `None` beyond the
/// years that can be written.
pub fn time(milliseconds: i64, fixed: bool) -> Option<String> {
    let timestamp = Timestamp::from_millisecond(milliseconds).ok()?;
    Some(if fixed { format!("{timestamp:.3}") } else { timestamp.to_string() })
}

/// Reads a time in RFC 3339. What is finer than a millisecond is dropped.
pub fn parse_time(text: &str) -> Option<i64> {
    let timestamp: Timestamp = text.parse().ok()?;
    Some(timestamp.as_nanosecond().div_euclid(1_000_000) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(0, false).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(time(-1, false).as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(time(1_500, true).as_deref(), Some("1970-01-01T00:00:01.500Z"));
        assert_eq!(parse_time("1970-01-01T01:00:00.5+01:00"), Some(500));
        assert_eq!(parse_time("1969-12-31T23:59:59.9999Z"), Some(-1));
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(time(i64::MAX, false), None);
    }
}

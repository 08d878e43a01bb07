//! Durations and times as text.

use jiff::Timestamp;

const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration as the language writes it, in the largest unit that is exact: `90s`, `-250ms`, `0s`.
pub fn duration(milliseconds: i64) -> String {
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let (unit, size) = UNITS.iter().find(|(_, size)| milliseconds % size == 0).expect("every number is a multiple of 1");
    format!("{}{unit}", milliseconds / size)
}

/// Reads a duration: whole numbers with their units, each unit once and the larger before the smaller, as in `90s` or `-1h5m`: as the language
/// writes it, and as a text shows it.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut units = UNITS.iter();
    let mut sum: i128 = 0;
    loop {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let unit_end = rest[unit_at..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |digit| unit_at + digit);
        let (_, size) = units.find(|(name, _)| *name == &rest[unit_at..unit_end])?;
        let number: u64 = rest[..unit_at].parse().ok()?;
        sum += sign * i128::from(number) * i128::from(*size);
        rest = &rest[unit_end..];
        if rest.is_empty() {
            return i64::try_from(sum).ok();
        }
    }
}

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
    fn durations_are_written_in_the_largest_exact_unit() {
        for (milliseconds, text) in [(0, "0s"), (250, "250ms"), (1000, "1s"), (90_000, "90s"), (-3_600_000, "-1h"), (86_400_000 * 7, "7d")]
        {
            assert_eq!(duration(milliseconds), text);
            assert_eq!(parse_duration(text), Some(milliseconds));
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert_eq!(parse_duration(&duration(extreme)), Some(extreme));
        }
        for (text, minutes) in [("1h5m", 65), ("-1h30m", -90), ("1d1h1m0s", 1501), ("2m60s", 3)] {
            assert_eq!(parse_duration(text), Some(minutes * 60_000), "{text}");
        }
        for wrong in ["", "5", "s", "1.5s", "5 s", "5x", "5m1h", "1h1h", "1h30", "1h-5m", "-", "9223372036854775807d", "--5s", "5-s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

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

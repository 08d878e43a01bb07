//! Durations as text, and texts as durations.

use std::fmt::Write;

const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// In the largest unit that is exact, as the language writes it: `90s`, `-250ms`, `0s`.
pub fn exact(milliseconds: i64) -> String {
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let (unit, size) = UNITS.iter().find(|(_, size)| milliseconds % size == 0).expect("every number is a multiple of 1");
    format!("{}{unit}", milliseconds / size)
}

/// Reads a duration: whole numbers with their units, each unit once and the larger before the smaller, as in `90s` or `-1h5m`: as the language
/// writes it, and as a text shows it.
pub fn parse(text: &str) -> Option<i64> {
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

/// In all units that it takes, as people read it: `1m30s`, `-250ms`, `0s`.
pub fn mixed(milliseconds: i64) -> String {
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let mut out = String::from(if milliseconds < 0 { "-" } else { "" });
    let mut rest = milliseconds.unsigned_abs();
    for (unit, size) in UNITS {
        let size = size.unsigned_abs();
        if rest >= size {
            write!(out, "{}{unit}", rest / size).expect("writing to a String cannot fail");
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_in_the_largest_exact_unit() {
        for (milliseconds, text) in [(0, "0s"), (250, "250ms"), (1000, "1s"), (90_000, "90s"), (-3_600_000, "-1h"), (86_400_000 * 7, "7d")]
        {
            assert_eq!(exact(milliseconds), text);
            assert_eq!(parse(text), Some(milliseconds));
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert_eq!(parse(&exact(extreme)), Some(extreme));
        }
        for (text, minutes) in [("1h5m", 65), ("-1h30m", -90), ("1d1h1m0s", 1501), ("2m60s", 3)] {
            assert_eq!(parse(text), Some(minutes * 60_000), "{text}");
        }
        for wrong in ["", "5", "s", "1.5s", "5 s", "5x", "5m1h", "1h1h", "1h30", "1h-5m", "-", "9223372036854775807d", "--5s", "5-s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn people_read_all_units() {
        for (milliseconds, text) in [(0, "0s"), (250, "250ms"), (90_000, "1m30s"), (-5_400_000, "-1h30m"), (86_400_001, "1d1ms")] {
            assert_eq!(mixed(milliseconds), text);
            assert_eq!(parse(text), Some(milliseconds));
        }
        assert_eq!(parse(&mixed(i64::MIN)), Some(i64::MIN));
    }
}

//! What a finding is known by in the next run, though lines have moved meanwhile.

use std::fmt;

use patternc_compiler::db::Database;
use patternc_compiler::diagnostic::Diagnostic;
use patternc_compiler::lines::lines;
use patternc_compiler::location::locate;

/// The same for findings of the same rule that say the same about the same line of the same file, wherever that line is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// `path` is the file's path in its project, `line` the text of the line where the finding begins.
    pub fn of(rule: &str, path: &str, message: &str, line: &str) -> Self {
        // Indentation may change without the line meaning anything else.
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut hash = Fnv::default();
        for part in [rule, path, message, &words.join(" ")] {
            hash.add(part.as_bytes());
            hash.add(&[0]);
        }
        Fingerprint(hash.0)
    }

    /// That of a finding of a project.
    pub fn of_finding(db: &Database, finding: &Diagnostic) -> Self {
        let Some((file, span)) = locate(db, finding.primary.at) else { return Fingerprint::of(finding.rule, "", &finding.message, "") };
        let (text, lines) = (file.text(db), lines(db, file));
        let line = lines.line(span.start.min(text.len() as u32));
        let content = text[lines.start(line, text)..lines.start(line + 1, text)].trim_end_matches(['\r', '\n']);
        Fingerprint::of(finding.rule, file.path(db), &finding.message, content)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// FNV-1a with 128 bits (RFC 9923): the same on every machine and in every version.
struct Fnv(u128);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_standard_one() {
        let mut hash = Fnv::default();
        hash.add(b"foobar");
        assert_eq!(hash.0, 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }

    #[test]
    fn only_what_a_finding_is_about_counts() {
        let one = Fingerprint::of("a", "f", "m", "  x = 1");
        assert_eq!(one, Fingerprint::of("a", "f", "m", "\tx  = 1\r"));
        for other in
            [Fingerprint::of("b", "f", "m", "x = 1"), Fingerprint::of("a", "g", "m", "x = 1"), Fingerprint::of("a", "f", "m", "x = 2")]
        {
            assert_ne!(one, other);
        }
    }
}

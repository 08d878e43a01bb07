//! What is looked at before the grammar: brackets, quotes, and how deep they are nested.
//!
//! One pass over the bytes. It cuts the text between declarations into pieces that are parsed one by one, and it mends a
//! copy of a piece whose brackets or quotes do not match, so that the grammar always sees balanced text: a missing bracket
//! then costs one error, not the rest of the file. The grammar's recursion is bounded by what is counted here.

use crate::mend::{Mend, Pieces, assemble};
use crate::syntax::Span;
use crate::{MAX_ERRORS, SyntaxError, SyntaxErrorKind};

/// How many brackets, type arguments and conditions may stand one inside the other. Whoever
/// walks the tree recursively may use 20 kB of stack a level in the 2 MB that a thread has.
pub(crate) const MAX_NESTING: usize = 100;

/// A piece is at least this long, unless it is the last: short enough for its tokens to stay in the cache.
const PIECE: usize = 16 * 1024;

/// What opened a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Round,
    Square,
    Curly,
    /// `{` inside a text.
    Interpolation,
}

impl Kind {
    fn opening(self) -> char {
        match self {
            Kind::Round => '(',
            Kind::Square => '[',
            Kind::Curly | Kind::Interpolation => '{',
        }
    }

    fn closing(self) -> &'static str {
        match self {
            Kind::Round => ")",
            Kind::Square => "]",
            Kind::Curly => "}",
            // The text that it is in has to be closed as well.
            Kind::Interpolation => "}\"",
        }
    }
}

/// A bracket that waits for its other half.
struct Open {
    kind: Kind,
    at: usize,
    /// How many `if` and `match` wait for their block outside it.
    waiting: usize,
    /// The line on which it stands.
    line: u32,
    /// The line on which what began on its line ends so far: brackets that were opened on that line may be closed on a
    /// later one. A bracket that was forgotten is thought to be missing at the end of it.
    reach_line: u32,
    /// Where that line ends, once it has ended: before white space and a comment.
    reach_end: usize,
    /// How far the line on which it stands is indented.
    indent: usize,
    /// Where the text began that an interpolation is in.
    text_at: usize,
}

const SKIP: u8 = 0;
const WORD: u8 = 1;
const NEWLINE: u8 = 2;
const QUOTE: u8 = 3;
const SLASH: u8 = 4;
const OPEN: u8 = 5;
const CLOSE: u8 = 6;
const ANGLE: u8 = 7;
const BLANK: u8 = 8;

static CLASS: [u8; 256] = {
    let mut class = [SKIP; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        class[byte] = match c {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => WORD,
            b'\n' => NEWLINE,
            b'"' => QUOTE,
            b'/' => SLASH,
            b'(' | b'[' | b'{' => OPEN,
            b')' | b']' | b'}' => CLOSE,
            b'<' | b'>' => ANGLE,
            b' ' | b'\t' | b'\r' => BLANK,
            _ => SKIP,
        };
        byte += 1;
    }
    class
};

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    open: Vec<Open>,
    /// Levels so far: open brackets and what waits outside of them.
    depth: usize,
    /// `if` and `match` that wait for their block since the last bracket.
    waiting: usize,
    /// `<` after a name, not closed yet.
    angles: usize,
    line_start: usize,
    line: u32,
    /// Where a comment began on this line.
    comment_at: Option<usize>,
    /// Where the last text ended.
    text_end: usize,
    /// Only white space was seen on this line.
    fresh: bool,
    /// Where the declaration at hand begins, with what documents it.
    item_at: usize,
    /// How many mends there were at that place.
    item_mends: usize,
    /// How many of `open` are interpolations.
    interpolations: usize,
    mends: Vec<Mend>,
    cuts: Vec<usize>,
    errors: Vec<SyntaxError>,
}

/// Cuts a text into pieces with balanced brackets and quotes.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        depth: 0,
        waiting: 0,
        angles: 0,
        line_start: 0,
        line: 0,
        comment_at: None,
        text_end: 0,
        fresh: true,
        item_at: 0,
        item_mends: 0,
        interpolations: 0,
        mends: Vec::new(),
        cuts: Vec::new(),
        errors: Vec::new(),
    };
    scanner.scan();
    let Scanner { mends, cuts, mut errors, .. } = scanner;
    errors.sort_by_key(|error| error.span);
    Pieces { pieces: assemble(text, mends, cuts), errors }
}

impl<'t> Scanner<'t> {
    fn scan(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match CLASS[byte as usize] {
                BLANK => self.at += 1,
                WORD => self.word(),
                NEWLINE => self.newline(),
                QUOTE => {
                    self.fresh = false;
                    let start = self.at;
                    self.at += 1;
                    self.inside_text(start);
                }
                SLASH if self.bytes.get(self.at + 1) == Some(&b'/') => {
                    self.comment_at = Some(self.at);
                    if self.at > 0 && !matches!(CLASS[self.bytes[self.at - 1] as usize], BLANK | NEWLINE) {
                        // The grammar looks for comments after white space only.
                        self.mends.push(Mend::Insert(self.at, " "));
                    }
                    self.at = self.line_end(self.at);
                }
                OPEN => {
                    self.fresh = false;
                    let kind = match byte {
                        b'(' => Kind::Round,
                        b'[' => Kind::Square,
                        _ => Kind::Curly,
                    };
                    self.push(kind, 0);
                }
                CLOSE => {
                    self.fresh = false;
                    self.close(byte);
                }
                ANGLE => {
                    self.fresh = false;
                    self.angle(byte);
                }
                _ => {
                    self.fresh = false;
                    self.at += 1;
                }
            }
        }
        // Nothing can be added after a comment.
        self.close_down_to(0, self.comment_at.unwrap_or(self.bytes.len()));
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = &self.bytes[from..];
        rest.iter().position(|&byte| byte == b'\n').map_or(self.bytes.len(), |end| from + end)
    }

    fn newline(&mut self) {
        if self.interpolations > 0 {
            let level = self.open.iter().position(|open| open.kind == Kind::Interpolation);
            let level = level.expect("counted above");
            if self.errors.last().is_none_or(|error| (error.span.start as usize) < self.line_start) {
                self.unclosed_text(self.open[level].text_at);
            }
            self.text_end = self.comment_at.unwrap_or(self.at);
            self.discard_down_to(level, self.text_end);
        }
        let end = self.content_end(self.at);
        for open in self.open.iter_mut().rev().take_while(|open| open.reach_line == self.line) {
            open.reach_end = end;
        }
        self.comment_at = None;
        self.at += 1;
        self.line_start = self.at;
        self.line += 1;
        self.fresh = true;
    }

    fn word(&mut self) {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|&byte| CLASS[byte as usize] == WORD) {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        if self.fresh {
            self.fresh = false;
            self.first_word(start, self.at);
        }
        if word == b"if" || word == b"match" {
            self.waiting += 1;
            self.deeper(start);
        }
    }

    /// A word at the start of a line may show that brackets above it were forgotten.
    fn first_word(&mut self, start: usize, end: usize) {
        let word = &self.text[start..end];
        let Some(first) = self.open.first() else {
            if begins_item(word) {
                self.item_begins(self.before_docs().max(self.item_at));
            }
            return;
        };
        let indent = start - self.line_start;
        if indent <= first.indent && begins_item(word) {
            let at = self.before_docs();
            self.close_down_to(0, at);
            self.item_begins(at);
        } else if let Some(second) = self.open.get(1)
            && indent <= second.indent
            && begins_member(word, &self.bytes[end..])
        {
            self.close_down_to(1, self.before_docs());
        }
    }

    fn item_begins(&mut self, at: usize) {
        self.item_at = at;
        self.item_mends = self.mends.len();
    }

    /// The start of this line, or of the `///` and `@allow` lines directly before it.
    fn before_docs(&self) -> usize {
        let mut start = self.line_start;
        while start > 0 {
            let before = self.text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
            let line = self.text[before..start].trim_start();
            if !line.starts_with("///") && !line.starts_with("@allow") {
                break;
            }
            start = before;
        }
        // An `@allow` that is itself not closed documents nothing.
        if self.open.last().is_some_and(|open| open.at >= start) { self.line_start } else { start }
    }

    fn angle(&mut self, byte: u8) {
        let after_word = self.at > 0 && CLASS[self.bytes[self.at - 1] as usize] == WORD;
        self.at += 1;
        if byte == b'>' {
            self.angles = self.angles.saturating_sub(1);
        } else if after_word {
            self.angles += 1;
            self.deeper(self.at - 1);
        }
    }

    /// Called where one more level was entered.
    fn deeper(&mut self, at: usize) {
        if self.depth + self.waiting + self.angles > MAX_NESTING {
            self.too_deep(at);
        }
    }

    fn push(&mut self, kind: Kind, text_at: usize) {
        let indent = match self.open.len() {
            // Only these two are looked at.
            0 | 1 => {
                let line = &self.bytes[self.line_start..self.at];
                line.iter().position(|&byte| CLASS[byte as usize] != BLANK).unwrap_or(line.len())
            }
            _ => 0,
        };
        self.open.push(Open {
            kind,
            at: self.at,
            waiting: self.waiting,
            line: self.line,
            reach_line: self.line,
            reach_end: self.at + 1,
            indent,
            text_at,
        });
        self.interpolations += usize::from(kind == Kind::Interpolation);
        self.depth += levels(kind, self.waiting);
        self.waiting = 0;
        self.angles = 0;
        self.at += 1;
        self.deeper(self.at - 1);
    }

    fn pop(&mut self) -> Option<Open> {
        let open = self.open.pop()?;
        self.interpolations -= usize::from(open.kind == Kind::Interpolation);
        self.depth -= levels(open.kind, open.waiting);
        // The block of an `if` ends its waiting.
        self.waiting = if open.kind == Kind::Curly { open.waiting.saturating_sub(1) } else { open.waiting };
        self.angles = 0;
        Some(open)
    }

    fn close(&mut self, byte: u8) {
        let closes = |kind: Kind| match byte {
            b')' => kind == Kind::Round,
            b']' => kind == Kind::Square,
            _ => matches!(kind, Kind::Curly | Kind::Interpolation),
        };
        if !self.open.last().is_some_and(|open| closes(open.kind)) {
            // A round or square bracket does not reach beyond the braces it is in.
            let level = self
                .open
                .iter()
                .rposition(|open| closes(open.kind) || (byte != b'}' && matches!(open.kind, Kind::Curly | Kind::Interpolation)));
            match level.filter(|&level| closes(self.open[level].kind)) {
                Some(level) => self.close_down_to(level + 1, self.at),
                None => {
                    self.error(
                        self.at,
                        1,
                        format!("this `{}` closes nothing", byte as char),
                        "leave it out, or add the bracket that it was meant to close".into(),
                    );
                    self.blank(self.at);
                    self.at += 1;
                    return;
                }
            }
        }
        let open = self.pop().expect("the bracket that it closes is on top");
        self.at += 1;
        match self.open.last_mut() {
            Some(outer) if outer.reach_line == open.line => {
                outer.reach_line = self.line;
            }
            Some(_) => {}
            None if byte == b'}' => {
                self.item_begins(self.at);
                let piece_start = self.cuts.last().copied().unwrap_or(0);
                if self.at - piece_start >= PIECE {
                    self.cuts.push(self.at);
                }
            }
            None => {}
        }
        if open.kind == Kind::Interpolation {
            self.inside_text(open.text_at);
        }
    }

    /// Reads on inside a text that began at `start`, to its end or to the next interpolation.
    fn inside_text(&mut self, start: usize) {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    self.text_end = self.at;
                    return;
                }
                Some(b'\\') => self.at = self.escape_end(),
                Some(b'{') => return self.push(Kind::Interpolation, start),
                Some(b'\n') | None => {
                    self.unclosed_text(start);
                    self.mends.push(Mend::Insert(self.at, "\""));
                    self.text_end = self.at;
                    return;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// Where the escape ends that begins here. One at the end of a line is blanked, or it would take the quote that is
    /// added after it.
    fn escape_end(&mut self) -> usize {
        match self.bytes.get(self.at + 1) {
            Some(b'\n') | None => {
                self.blank(self.at);
                self.at + 1
            }
            Some(b'u') if self.bytes.get(self.at + 2) == Some(&b'{') => {
                let digits = &self.bytes[self.at + 3..];
                let count = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                match digits.get(count) {
                    Some(b'}') => self.at + 3 + count + 1,
                    _ => self.at + 2,
                }
            }
            Some(_) => {
                let length = self.text[self.at + 1..].chars().next().map_or(0, char::len_utf8);
                self.at + 1 + length
            }
        }
    }

    fn unclosed_text(&mut self, start: usize) {
        let end = self.line_end(start);
        self.error(
            start,
            self.text[start..end].trim_end().len(),
            "this text is not closed on its line".into(),
            "add the `\"`; a line break inside a text is written `\\n`".into(),
        );
    }

    /// Closes brackets for which no other half was found, down to a level; they must end before `limit`.
    fn close_down_to(&mut self, level: usize, limit: usize) {
        if self.open.len() <= level {
            return;
        }
        // Where those that were closed here began and ended, the inner ones first.
        let mut closed: Vec<(usize, usize)> = Vec::new();
        while self.open.len() > level {
            let open = self.pop().expect("deeper than the level");
            if open.kind == Kind::Interpolation {
                self.unclosed_text(open.text_at);
            } else if !self.line_has_error(open.at) {
                self.error(
                    open.at,
                    1,
                    format!("this `{}` is not closed", open.kind.opening()),
                    format!("add the `{}`", open.kind.closing()),
                );
            }
            let mut at = match open.kind {
                Kind::Curly => limit,
                _ if open.reach_line == self.line => self.content_end(limit).max(open.at + 1),
                _ => open.reach_end.min(limit),
            };
            // What begins inside ends inside.
            for &(inner_at, inner_end) in closed.iter().rev() {
                if inner_at < at {
                    at = at.max(inner_end);
                }
            }
            self.mends.push(Mend::Insert(at, open.kind.closing()));
            closed.push((open.at, at));
            if let Some(outer) = self.open.last_mut()
                && outer.reach_line == open.line
            {
                outer.reach_line = open.reach_line;
                outer.reach_end = at;
            }
        }
    }

    /// Whether something was wrong between a place and the end of its line: what follows from it is not reported.
    fn line_has_error(&self, at: usize) -> bool {
        let after = self.errors.iter().rev().take(4).map(|error| error.span.start as usize).find(|&start| start >= at);
        after.is_some_and(|start| !self.text[at..start].contains('\n'))
    }

    /// Closes brackets down to a level at a place, without a word: something else was reported.
    fn discard_down_to(&mut self, level: usize, at: usize) {
        while self.open.len() > level {
            let open = self.pop().expect("deeper than the level");
            self.mends.push(Mend::Insert(at, open.kind.closing()));
        }
    }

    /// Where the current line ends, at the latest at `limit`, without white space and a comment at its end.
    fn content_end(&self, limit: usize) -> usize {
        let limit = self.comment_at.map_or(limit, |comment| comment.min(limit));
        // The white space at the end of a text that was not closed is its own.
        let from = self.text_end.max(self.line_start).min(limit);
        let blank = self.bytes[from..limit].iter().rev().take_while(|&&byte| CLASS[byte as usize] == BLANK).count();
        limit - blank
    }

    /// Leaves out the declaration at hand: it is nested too deep to be parsed.
    fn too_deep(&mut self, at: usize) {
        self.errors.push(SyntaxError {
            kind: SyntaxErrorKind::NestingLimit,
            span: Span::new(at, at + 1),
            message: format!("this is nested more than {MAX_NESTING} levels deep"),
            help: Some("give parts of it a name with `let`, or move them to a function or handler".into()),
            fix: None,
            also: Vec::new(),
        });
        let indent = self.open.first().map_or(0, |open| open.indent);
        self.open.clear();
        self.depth = 0;
        self.waiting = 0;
        self.angles = 0;
        self.interpolations = 0;
        // On to the next line that begins a declaration.
        let mut next = self.line_end(self.at);
        while next < self.bytes.len() {
            let start = next + 1;
            let end = self.line_end(start);
            let line = &self.text[start..end];
            let content = line.trim_start_matches([' ', '\t']);
            let word = content.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(content, |end| &content[..end]);
            if line.len() - content.len() <= indent && (begins_item(word) || content.starts_with("///") || content.starts_with("@allow")) {
                break;
            }
            next = end;
        }
        let end = (next + 1).min(self.bytes.len());
        self.mends.truncate(self.item_mends);
        self.mends.push(Mend::Blank(self.item_at, end));
        self.at = end;
        self.item_begins(end);
        self.line_start = end;
        self.comment_at = None;
        self.line += 1;
        self.fresh = true;
    }

    fn blank(&mut self, at: usize) {
        match self.mends.last_mut() {
            Some(Mend::Blank(_, end)) if *end == at => *end += 1,
            _ => self.mends.push(Mend::Blank(at, at + 1)),
        }
    }

    fn error(&mut self, at: usize, length: usize, message: String, help: String) {
        if self.errors.len() >= MAX_ERRORS {
            return;
        }
        self.errors.push(SyntaxError {
            kind: SyntaxErrorKind::Syntax,
            span: Span::new(at, at + length),
            message,
            help: Some(help),
            fix: None,
            also: Vec::new(),
        });
    }
}

/// How many levels a bracket adds. The block of an `if` is one level with it.
fn levels(kind: Kind, waiting: usize) -> usize {
    if kind == Kind::Curly { waiting.max(1) } else { waiting + 1 }
}

fn begins_item(word: &str) -> bool {
    matches!(word, "space" | "struct" | "enum" | "record" | "fn" | "extern" | "mirror" | "invariant" | "eventually" | "test" | "use")
}

/// Whether a word at the start of a line, with what follows, can only begin a member of a record.
fn begins_member(word: &str, rest: &[u8]) -> bool {
    let next = rest.iter().position(|&byte| byte != b' ').map_or(&rest[..0], |at| &rest[at..]);
    match word {
        "cell" | "derived" | "handler" | "saga" => true,
        "internal" => next.starts_with(b"handler"),
        "create" => next.starts_with(b"{"),
        _ => false,
    }
}

//! From a list of pieces to lines: which places where a line may break do break.
//!
//! The pieces are those of Oppen, "Prettyprinting" (1980): text, places that may break, and groups of such places that break all or
//! none. A group stays on its line if it fits, with what follows it up to the next place that may break.

/// How many characters a line may have. Longer are only those that cannot be broken.
pub(super) const WIDTH: usize = 100;
const INDENT: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A range of bytes of the text.
    Source(u32, u32),
    /// A comment of the text: nothing follows it on its line.
    Comment(u32, u32),
    Word(&'static str),
    Space,
    /// A space, or the end of the line where its group breaks.
    Line,
    /// Nothing, or the end of the line where its group breaks.
    Soft,
    /// The end of a line, with an empty line after it.
    Break {
        blank: bool,
    },
    /// The end of a line between two of several things; an empty line comes after it where one of them takes several lines.
    Between {
        blank: bool,
    },
    /// Begins one of several things: its documentation is above.
    Begin,
    End,
    /// A comma, where its group breaks.
    Comma,
    /// Opens a group: the index of its end.
    Open(u32),
    Close,
    Indent,
    Dedent,
}

/// What is to be laid out, piece by piece.
pub(super) struct Layout<'t> {
    text: &'t str,
    pieces: Vec<Piece>,
    /// How wide everything before each piece is on one line.
    widths: Vec<u32>,
    width: u32,
    /// Groups that are open: where they began, and whether they must break.
    open: Vec<(usize, bool)>,
    /// The groups that must break, by the place of their beginning.
    broken: Vec<usize>,
}

/// A thing among several while its lines are written.
struct Sibling {
    /// Where an empty line before it would go, unless one is there.
    gap: Option<usize>,
    /// On which line it began.
    line: usize,
}

impl<'t> Layout<'t> {
    pub fn new(text: &'t str, tokens: usize) -> Self {
        Layout {
            text,
            pieces: Vec::with_capacity(tokens * 3),
            widths: Vec::with_capacity(tokens * 3),
            width: 0,
            open: Vec::new(),
            broken: Vec::new(),
        }
    }

    pub fn push(&mut self, piece: Piece) {
        self.widths.push(self.width);
        self.pieces.push(piece);
        match piece {
            Piece::Source(start, end) => {
                let source = &self.text[start as usize..end as usize];
                self.width += if source.is_ascii() { source.len() } else { source.chars().count() } as u32;
            }
            Piece::Word(word) => self.width += word.len() as u32,
            Piece::Space | Piece::Line => self.width += 1,
            Piece::Break { .. } | Piece::Between { .. } | Piece::Comment(..) => self.force(),
            _ => {}
        }
    }

    /// Makes the group at hand break.
    pub fn force(&mut self) {
        if let Some((_, forced)) = self.open.last_mut() {
            *forced = true;
        }
    }

    pub fn open(&mut self) {
        self.open.push((self.pieces.len(), false));
        self.push(Piece::Open(0));
    }

    pub fn close(&mut self) {
        let (start, forced) = self.open.pop().expect("groups are closed once each");
        self.pieces[start] = Piece::Open(self.pieces.len() as u32);
        self.push(Piece::Close);
        if forced {
            self.broken.push(start);
            self.force();
        }
    }

    /// The lines.
    pub fn print(mut self) -> String {
        debug_assert!(self.open.is_empty(), "a group is not closed");
        self.broken.sort_unstable();
        let mut forced = std::mem::take(&mut self.broken).into_iter().peekable();
        let mut out = String::with_capacity(self.text.len() + self.text.len() / 8);
        // Whether the groups around break; what is in none does.
        let mut modes: Vec<bool> = Vec::new();
        let mut siblings: Vec<Sibling> = Vec::new();
        let mut indent = 0;
        let mut column = 0;
        let mut line = 0;
        // Where the next thing among several may need an empty line before it, and whether the one before took several lines.
        let mut gap = None;
        let mut long_before = false;
        for (index, &piece) in self.pieces.iter().enumerate() {
            let breaks = modes.last().copied().unwrap_or(true);
            let text = match piece {
                Piece::Source(start, end) | Piece::Comment(start, end) => &self.text[start as usize..end as usize],
                Piece::Word(word) => word,
                Piece::Comma if breaks => ",",
                Piece::Space => " ",
                Piece::Line if !breaks => " ",
                Piece::Line | Piece::Soft if breaks => {
                    out.push('\n');
                    column = 0;
                    line += 1;
                    continue;
                }
                Piece::Break { blank } | Piece::Between { blank } => {
                    out.push('\n');
                    line += 1;
                    column = 0;
                    let between = matches!(piece, Piece::Between { .. });
                    if blank || (between && long_before) {
                        out.push('\n');
                        line += 1;
                    } else if between {
                        gap = Some(out.len());
                    }
                    continue;
                }
                Piece::Open(end) => {
                    let must = forced.next_if_eq(&index).is_some();
                    let broken = breaks && (must || !self.fits(index, end as usize, if column == 0 { indent } else { column }, &modes));
                    modes.push(broken || must);
                    continue;
                }
                Piece::Close => {
                    modes.pop();
                    continue;
                }
                Piece::Indent => {
                    indent += INDENT;
                    continue;
                }
                Piece::Dedent => {
                    indent -= INDENT;
                    continue;
                }
                Piece::Begin => {
                    siblings.push(Sibling { gap: gap.take(), line });
                    long_before = false;
                    continue;
                }
                Piece::End => {
                    let sibling = siblings.pop().expect("what ends has begun");
                    long_before = line > sibling.line;
                    gap = None;
                    if let Some(at) = sibling.gap.filter(|_| long_before) {
                        out.insert(at, '\n');
                    }
                    continue;
                }
                _ => continue,
            };
            if column == 0 {
                out.extend(std::iter::repeat_n(' ', indent));
                column = indent;
            }
            out.push_str(text);
            column += if text.is_ascii() { text.len() } else { text.chars().count() };
        }
        out
    }

    /// Whether the group from `start` to `end` fits on its line after `column` characters, with what follows up to the next place that
    /// may break.
    fn fits(&self, start: usize, end: usize, column: usize, modes: &[bool]) -> bool {
        let mut width = column + (self.widths[end] - self.widths[start]) as usize;
        let mut around = modes.len();
        // Groups that begin after this one may break.
        let mut inside = 0;
        for &piece in &self.pieces[end + 1..] {
            if width > WIDTH {
                return false;
            }
            match piece {
                Piece::Source(from, to) => {
                    let text = &self.text[from as usize..to as usize];
                    width += if text.is_ascii() { text.len() } else { text.chars().count() };
                }
                Piece::Word(word) => width += word.len(),
                Piece::Space => width += 1,
                Piece::Open(_) => inside += 1,
                Piece::Close if inside > 0 => inside -= 1,
                Piece::Close => around = around.saturating_sub(1),
                Piece::Break { .. } | Piece::Between { .. } | Piece::Comment(..) => break,
                Piece::Line | Piece::Soft => {
                    let may_break = inside > 0 || around.checked_sub(1).is_none_or(|group| modes[group]);
                    if may_break {
                        break;
                    }
                    width += usize::from(piece == Piece::Line);
                }
                Piece::Comma if inside == 0 && around.checked_sub(1).is_none_or(|group| modes[group]) => width += 1,
                _ => {}
            }
        }
        width <= WIDTH
    }
}

//! Railroad diagrams of a pest grammar, as SVG.
//!
//! What a diagram shows is what a person may write: white space, lookaheads and the rules that only make errors better are left out.

use std::fmt::Write;

use pest_meta::ast::Expr;

/// A part of a diagram.
#[derive(Clone, Debug, PartialEq)]
pub enum Track {
    /// Written as it stands.
    Word(String),
    /// Another rule.
    Rule(String),
    Sequence(Vec<Track>),
    /// One of several.
    Choice(Vec<Track>),
    Optional(Box<Track>),
    /// Once or more, with something in between.
    Loop(Box<Track>, Option<Box<Track>>),
}

/// The diagram of an expression; `None` if nothing of it is shown. `shows` says what is drawn of a rule that is named.
pub fn track<'r>(expr: &Expr, shows: &dyn Fn(&str) -> Shown<'r>) -> Option<Track> {
    match expr {
        Expr::Str(word) | Expr::Insens(word) => {
            let word = word.trim();
            (!word.is_empty() && !HABITS.contains(&word)).then(|| Track::Word(word.to_owned()))
        }
        Expr::Range(from, to) => Some(Track::Word(format!("{from}…{to}"))),
        Expr::Ident(name) => match shows(name) {
            Shown::Nothing => None,
            Shown::Itself => Some(Track::Rule(name.clone())),
            Shown::As(other) => Some(Track::Rule(other.to_owned())),
            Shown::Instead(expr) => track(expr, shows),
        },
        Expr::Seq(..) => {
            let mut parts = Vec::new();
            sequence(expr, shows, &mut parts);
            let parts = with_loops(parts);
            match parts.len() {
                0 => None,
                1 => parts.into_iter().next(),
                _ => Some(Track::Sequence(parts)),
            }
        }
        Expr::Choice(..) => {
            let mut parts = Vec::new();
            choice(expr, shows, &mut parts);
            let mut tracks: Vec<Track> = Vec::new();
            for track in parts.into_iter().flatten() {
                if !tracks.contains(&track) {
                    tracks.push(track);
                }
            }
            match tracks.len() {
                0 | 1 => tracks.into_iter().next(),
                _ => Some(Track::Choice(tracks)),
            }
        }
        Expr::Opt(inner) => track(inner, shows).map(optional),
        Expr::Rep(inner) => track(inner, shows).map(|inner| optional(Track::Loop(Box::new(inner), None))),
        Expr::RepOnce(inner) => track(inner, shows).map(|inner| Track::Loop(Box::new(inner), None)),
        _ => None,
    }
}

/// What is drawn of a rule where it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'r> {
    Nothing,
    Itself,
    /// Another rule, which it is a faster form of.
    As(&'static str),
    /// What it consists of.
    Instead(&'r Expr),
}

/// Signs of other languages, which the grammar knows only to say what to write instead.
const HABITS: &[&str] = &[":=", "===", "!=="];

fn optional(track: Track) -> Track {
    match track {
        Track::Optional(_) => track,
        track => Track::Optional(Box::new(track)),
    }
}

fn sequence<'r>(expr: &Expr, shows: &dyn Fn(&str) -> Shown<'r>, out: &mut Vec<Track>) {
    match expr {
        Expr::Seq(left, right) => {
            sequence(left, shows, out);
            sequence(right, shows, out);
        }
        other => match track(other, shows) {
            Some(Track::Sequence(parts)) => out.extend(parts),
            Some(part) => out.push(part),
            None => {}
        },
    }
}

fn choice<'r>(expr: &Expr, shows: &dyn Fn(&str) -> Shown<'r>, out: &mut Vec<Option<Track>>) {
    match expr {
        Expr::Choice(left, right) => {
            choice(left, shows, out);
            choice(right, shows, out);
        }
        other => match track(other, shows) {
            Some(Track::Choice(parts)) => out.extend(parts.into_iter().map(Some)),
            part => out.push(part),
        },
    }
}

/// `x ("," x)*` is a loop with a comma in between.
fn with_loops(parts: Vec<Track>) -> Vec<Track> {
    let mut out: Vec<Track> = Vec::new();
    for part in parts {
        if let Track::Optional(inner) = &part
            && let Track::Loop(body, None) = &**inner
            && let Track::Sequence(inside) = &**body
            && let [between, again] = inside.as_slice()
            && out.last() == Some(again)
        {
            let again = again.clone();
            out.pop();
            out.push(Track::Loop(Box::new(again), Some(Box::new(between.clone()))));
        } else {
            out.push(part);
        }
    }
    out
}

/// How much room a part takes: to the right, above and below its line.
#[derive(Clone, Copy)]
struct Size {
    width: i32,
    up: i32,
    down: i32,
}

/// Half the height of a box, the gap between tracks, the radius of a curve, and the width of a character.
const HALF: i32 = 12;
const GAP: i32 = 8;
const RADIUS: i32 = 8;
const CHARACTER: i32 = 8;

fn label_width(label: &str) -> i32 {
    label.chars().count() as i32 * CHARACTER + 20
}

fn size(track: &Track) -> Size {
    match track {
        Track::Word(label) | Track::Rule(label) => Size { width: label_width(label), up: HALF, down: HALF },
        Track::Sequence(parts) => {
            let sizes: Vec<Size> = parts.iter().map(size).collect();
            let gaps = GAP * (parts.len() as i32 - 1);
            Size {
                width: sizes.iter().map(|s| s.width).sum::<i32>() + gaps,
                up: sizes.iter().map(|s| s.up).max().unwrap_or(HALF),
                down: sizes.iter().map(|s| s.down).max().unwrap_or(HALF),
            }
        }
        Track::Choice(parts) => {
            let sizes: Vec<Size> = parts.iter().map(size).collect();
            let below: i32 = sizes[1..].iter().map(|s| GAP + s.up + s.down).sum();
            Size { width: sizes.iter().map(|s| s.width).max().unwrap_or(0) + 4 * RADIUS, up: sizes[0].up, down: sizes[0].down + below }
        }
        Track::Optional(inner) => {
            let inner = size(inner);
            Size { width: inner.width + 4 * RADIUS, up: inner.up, down: inner.down + GAP + RADIUS }
        }
        Track::Loop(body, between) => {
            let (body, between) = (size(body), between.as_deref().map(size));
            let (width, height) = between.map_or((0, RADIUS), |s| (s.width, s.up + s.down));
            Size { width: body.width.max(width) + 4 * RADIUS, up: body.up, down: body.down + GAP + height }
        }
    }
}

/// The diagram of a rule as an SVG element of one line.
pub fn svg(name: &str, track: &Track) -> String {
    let Size { width, up, down } = size(track);
    let (x, y) = (20, up + 4);
    let (total, height) = (width + 2 * x, up + down + 8);
    let mut out = format!(
        "<svg class=\"railroad\" role=\"img\" viewBox=\"0 0 {total} {height}\" width=\"{total}\" height=\"{height}\" \
         style=\"max-width:100%;height:auto\"><title>{}</title>",
        escaped(name)
    );
    out.push_str("<g fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\">");
    let _ = write!(out, "<path d=\"M4 {}v12M4 {y}h16M{} {y}h16m0 -6v12\"/>", y - 6, x + width);
    draw(track, x, y, &mut out);
    out.push_str("</g></svg>");
    out
}

/// Draws a part whose line begins at this place.
fn draw(track: &Track, x: i32, y: i32, out: &mut String) {
    let all = size(track);
    match track {
        Track::Word(label) | Track::Rule(label) => {
            let round = if matches!(track, Track::Word(_)) { HALF } else { 0 };
            let _ = write!(out, "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{round}\"/>", y - HALF, all.width, 2 * HALF);
            let text = format!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-family=\"monospace\" font-size=\"13\" fill=\"currentColor\" stroke=\"none\">{}</text>",
                x + all.width / 2,
                y + 4,
                escaped(label)
            );
            match track {
                Track::Rule(rule) => {
                    let _ = write!(out, "<a href=\"#{rule}\">{text}</a>");
                }
                _ => out.push_str(&text),
            }
        }
        Track::Sequence(parts) => {
            let mut at = x;
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    let _ = write!(out, "<path d=\"M{at} {y}h{GAP}\"/>");
                    at += GAP;
                }
                draw(part, at, y, out);
                at += size(part).width;
            }
        }
        Track::Choice(parts) => {
            let mut at = y;
            for (i, part) in parts.iter().enumerate() {
                let own = size(part);
                if i > 0 {
                    at += GAP + own.up;
                }
                side_track(x, y, at, all.width, own.width, out);
                draw(part, x + 2 * RADIUS, at, out);
                at += own.down;
            }
        }
        Track::Optional(inner) => {
            let own = size(inner);
            side_track(x, y, y, all.width, own.width, out);
            draw(inner, x + 2 * RADIUS, y, out);
            side_track(x, y, y + own.down + GAP + RADIUS / 2, all.width, 0, out);
        }
        Track::Loop(body, between) => {
            let own = size(body);
            side_track(x, y, y, all.width, own.width, out);
            draw(body, x + 2 * RADIUS, y, out);
            let back = between.as_deref().map(size);
            let at = y + own.down + GAP + back.map_or(RADIUS / 2, |s| s.up);
            let (left, right) = (x + RADIUS, x + all.width - RADIUS);
            let rise = at - y - 2 * RADIUS;
            let _ = write!(out, "<path d=\"M{right} {y}q{RADIUS} 0 {RADIUS} {RADIUS}v{rise}q0 {RADIUS} -{RADIUS} {RADIUS}\"/>");
            let _ = write!(out, "<path d=\"M{left} {y}q-{RADIUS} 0 -{RADIUS} {RADIUS}v{rise}q0 {RADIUS} {RADIUS} {RADIUS}\"/>");
            let width = back.map_or(0, |s| s.width);
            let _ = write!(out, "<path d=\"M{left} {at}h{RADIUS}M{} {at}H{right}\"/>", left + RADIUS + width);
            if let Some(between) = between {
                draw(between, left + RADIUS, at, out);
            }
        }
    }
}

/// The line to a part on another level, and back; straight where the level is the same.
fn side_track(x: i32, y: i32, at: i32, width: i32, inner: i32, out: &mut String) {
    let (from, to) = (x + 2 * RADIUS, x + width);
    if at == y {
        let _ = write!(out, "<path d=\"M{x} {y}H{from}M{} {y}H{to}\"/>", from + inner);
        return;
    }
    let fall = at - y - 2 * RADIUS;
    let _ = write!(
        out,
        "<path d=\"M{x} {y}q{RADIUS} 0 {RADIUS} {RADIUS}v{fall}q0 {RADIUS} {RADIUS} {RADIUS}M{} {at}H{}q{RADIUS} 0 {RADIUS} -{RADIUS}v{}q0 -{RADIUS} {RADIUS} -{RADIUS}\"/>",
        from + inner,
        to - 2 * RADIUS,
        -fall
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! Runs the grammar over a text and gives its tokens as a flat list.

use pest_derive::Parser;

/// The parser that pest makes of `pattern.pest`.
#[derive(Parser)]
#[grammar = "pattern.pest"]
pub(crate) struct PatternParser;

/// One rule that matched: a node of the parse tree, the nodes inside it following it in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub rule: Rule,
    pub start: u32,
    pub end: u32,
    /// Index of the first token after this one that is not inside it.
    pub next: u32,
}

/// The tokens of `text` parsed as `rule`, in the order of the text, comments left out.
pub(crate) fn tokens(rule: Rule, text: &str) -> Result<Vec<Token>, Box<pest::error::Error<Rule>>> {
    let pairs = <PatternParser as pest::Parser<Rule>>::parse(rule, text).map_err(Box::new)?;
    let events = pairs.tokens();
    let mut tokens = Vec::with_capacity(events.len() / 2);
    let mut open: Vec<u32> = Vec::with_capacity(64);
    for event in events {
        match event {
            pest::Token::Start { rule: Rule::comment, .. } | pest::Token::End { rule: Rule::comment, .. } => {}
            pest::Token::Start { rule, pos } => {
                open.push(tokens.len() as u32);
                tokens.push(Token { rule, start: pos.pos() as u32, end: 0, next: 0 });
            }
            pest::Token::End { pos, .. } => {
                let next = tokens.len() as u32;
                let token = &mut tokens[open.pop().expect("pest ends only what it started") as usize];
                token.end = pos.pos() as u32;
                token.next = next;
            }
        }
    }
    Ok(tokens)
}

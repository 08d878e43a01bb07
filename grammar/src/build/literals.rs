//! Numbers and texts.

use super::Builder;
use crate::literal::{self, Number};
use crate::parse::{Rule, Token};
use crate::syntax::*;

impl Builder<'_> {
    pub(super) fn number(&mut self) -> Expr {
        let token = self.leaf();
        let span = self.token_span(token);
        let kind = match literal::number(self.slice(token)) {
            Ok(Number::Int(value)) => ExprKind::Int(value),
            Ok(Number::Float(value)) => ExprKind::Float(value),
            Ok(Number::Duration(ms)) => ExprKind::Duration(ms),
            Err(error) => {
                self.wrong(span, error.message, error.help);
                ExprKind::Error
            }
        };
        Expr { kind, span }
    }

    pub(super) fn text(&mut self) -> Expr {
        let inside = self.enter();
        let mut parts: Vec<TextPart> = Vec::new();
        let mut buffer = String::new();
        let mut height = 0;
        while let Some(rule) = self.peek() {
            match rule {
                Rule::interpolation => {
                    if !buffer.is_empty() {
                        parts.push(TextPart::Text(std::mem::take(&mut buffer).into_boxed_str()));
                    }
                    let inside = self.enter();
                    parts.push(TextPart::Expr(self.expr()));
                    height = height.max(self.height);
                    self.leave_closed(inside);
                }
                Rule::run => {
                    let token = self.leaf();
                    if token.next as usize == self.limit && parts.is_empty() && buffer.is_empty() {
                        // One run, no escapes: the usual case.
                        let value = self.slice(token).into();
                        return Expr { kind: ExprKind::Text(value), span: self.leave_closed(inside) };
                    }
                    buffer.push_str(self.slice(token));
                }
                _ => {
                    let token = self.leaf();
                    self.escape(token, &mut buffer);
                }
            }
        }
        let span = self.leave_closed(inside);
        self.height = height + 1;
        if parts.is_empty() {
            return Expr { kind: ExprKind::Text(buffer.into_boxed_str()), span };
        }
        if !buffer.is_empty() {
            parts.push(TextPart::Text(buffer.into_boxed_str()));
        }
        Expr { kind: ExprKind::Interpolation(parts), span }
    }

    fn escape(&mut self, token: Token, buffer: &mut String) {
        let text = self.slice(token);
        match literal::escape(text) {
            Some(c) => buffer.push(c),
            None => {
                let span = self.token_span(token);
                self.wrong(
                    span,
                    format!("`{text}` is not an escape"),
                    r#"the escapes are `\n` `\t` `\r` `\0` `\\` `\"` `\{` `\}` and `\u{1F600}`"#,
                );
            }
        }
    }

    /// A text where nothing can be interpolated.
    pub(super) fn plain_text(&mut self) -> Str {
        let expr = self.text();
        let value = match expr.kind {
            ExprKind::Text(value) => value,
            ExprKind::Interpolation(parts) => {
                self.wrong(expr.span, "this text is fixed: nothing can be inserted", r"write `\{` for a brace");
                let texts = parts.iter().filter_map(|part| match part {
                    TextPart::Text(text) => Some(&**text),
                    TextPart::Expr(_) => None,
                });
                texts.collect::<String>().into_boxed_str()
            }
            _ => unreachable!("a text is a text or an interpolation"),
        };
        Str { value, span: expr.span }
    }
}

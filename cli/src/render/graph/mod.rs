//! The graph of a project: one file a format.

pub mod dot;
pub mod effects;
pub mod json;
pub mod mermaid;
pub mod svg;
pub mod text;

use patternc_compiler::graph::picture::{Arrow, ArrowKind};

/// What is written at an arrow: how it is sent, and by which arm. A plain send says nothing.
fn label(arrow: &Arrow) -> String {
    let arm = match arrow.arm {
        Some(true) => "ok: ",
        Some(false) => "err: ",
        None => "",
    };
    match arrow.kind {
        ArrowKind::Send => arm.trim_end_matches(": ").to_owned(),
        kind => format!("{arm}{}", kind.name()),
    }
}

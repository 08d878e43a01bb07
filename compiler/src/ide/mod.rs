//! What an editor asks: what a name means and where it is used, what can stand at a place, what is worth saying there.
//!
//! Everything here is plain data with places in bytes; a protocol is spoken elsewhere. All of it works on text that is half written: what
//! could be understood is answered, the rest is left out.
//!
//! | file | what it answers |
//! |---|---|
//! | `definition` | what can be declared, where it is, what it is called |
//! | `names` | every name of a file with what it means; every use of a declaration |
//! | `describe` | types with their spaces, declarations and effects in words |
//! | `hover` | what is known about the name at a place |
//! | `words` | the words of the language, its methods and types, in words |
//! | `cursor` | the brackets that are open at a place |
//! | `complete` | what can be written at a place |
//! | `call` | the call around a place, and which argument it is |
//! | `rename` | the edits that give a declaration another name, or why not |
//! | `outline` | the declarations of a file, what can be folded, its tests |
//! | `hints` | types and effects that are not written |
//! | `highlight` | what each name is, for colours |
//! | `configuration` | what the words of a `patternc.yaml` mean, and which can be written at a place |

pub mod call;
pub mod complete;
pub mod configuration;
pub(crate) mod cursor;
pub mod definition;
pub mod describe;
pub mod highlight;
pub mod hints;
pub mod hover;
pub mod names;
pub mod outline;
pub mod rename;
pub mod words;

#[cfg(test)]
mod tests;

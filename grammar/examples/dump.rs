//! Prints the syntax tree of the files named, or of standard input, and the errors.

use std::io::Read;

fn main() -> std::io::Result<()> {
    let mut texts = Vec::new();
    for path in std::env::args().skip(1) {
        texts.push(std::fs::read_to_string(path)?);
    }
    if texts.is_empty() {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        texts.push(text);
    }
    for text in texts {
        let parsed = patternc_grammar::parse(&text);
        println!("{:#?}", parsed.file);
        for error in parsed.errors {
            println!(
                "{:?} {:?}: {} ({:?}, fix {:?}): `{}`",
                error.span,
                error.kind,
                error.message,
                error.help,
                error.fix,
                error.span.slice(&text)
            );
        }
    }
    Ok(())
}

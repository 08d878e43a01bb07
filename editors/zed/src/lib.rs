//! Starts `patternc lsp`, which is looked for in `PATH`.

use zed_extension_api as zed;

struct Pattern;

impl zed::Extension for Pattern {
    fn new() -> Self {
        Pattern
    }

    fn language_server_command(&mut self, _: &zed::LanguageServerId, worktree: &zed::Worktree) -> zed::Result<zed::Command> {
        let command = worktree.which("patternc").ok_or("patternc is not in PATH")?;
        Ok(zed::Command { command, args: vec!["lsp".into()], env: Vec::new() })
    }
}

zed::register_extension!(Pattern);

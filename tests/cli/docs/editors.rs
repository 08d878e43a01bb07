//! The settings for editors: Neovim runs those of the page, where it is new enough; what Zed reads fits together.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::blocks::blocks;
use crate::patternc::{folder, repository, seen};

/// What a person would do, with the settings of the page as `init.lua`: opens a file, waits for findings, edits, saves, and looks around.
const VISIT: &str = r#"
local function wait(what, until_true)
  assert(vim.wait(60000, until_true, 20), "it never came to this: " .. what)
end
vim.cmd.edit("a.pattern")
local seen = { filetype = vim.bo.filetype, commentstring = vim.bo.commentstring, shiftwidth = vim.bo.shiftwidth }
wait("a client is attached", function() return #vim.lsp.get_clients({ bufnr = 0, name = "patternc" }) == 1 end)
seen.root = vim.lsp.get_clients({ bufnr = 0 })[1].root_dir
wait("a finding is shown", function() return #vim.diagnostic.get(0) == 1 end)
local finding = vim.diagnostic.get(0)[1]
seen.finding = { code = finding.code, line = finding.lnum + 1 }
seen.hints = vim.lsp.inlay_hint.is_enabled({ bufnr = 0 })
vim.api.nvim_buf_set_lines(0, 0, -1, false, { "space home", "record R   in home {", "cell n: Int = 0", "}", 'test "one" { expect 1 == 1 }' })
wait("the finding goes", function() return #vim.diagnostic.get(0) == 0 end)
vim.api.nvim_exec_autocmds("InsertLeave", { buffer = 0 })
wait("a test can be run", function() return #vim.lsp.codelens.get(0) == 1 end)
seen.lens = vim.lsp.codelens.get(0)[1].command.title
seen.mapped = vim.fn.maparg("<leader>t", "n") ~= "" or vim.fn.maparg("\\t", "n", false, true).desc ~= nil
vim.cmd.write()
seen.lines = vim.fn.readfile("a.pattern")
vim.fn.writefile({ vim.json.encode(seen) }, "seen.json")
vim.cmd("qall!")
"#;

#[test]
fn neovim_with_the_settings_of_the_page_shows_findings_and_formats() {
    let version = Command::new("nvim").arg("--version").output().ok();
    let version = version.and_then(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned));
    let minor = version.as_deref().and_then(|line| line.strip_prefix("NVIM v0.")?.split('.').next()?.parse::<u32>().ok());
    let Some(11..) = minor else {
        eprintln!("SKIPPED: the settings of the page need Neovim 0.11, here is {}", version.as_deref().unwrap_or("none"));
        return;
    };
    let page = std::fs::read_to_string(repository().join("docs/src/guide/editors.md")).expect("the page is part of the repository");
    let settings: Vec<String> = blocks(&page).0.into_iter().filter(|block| block.language() == "lua").map(|block| block.text).collect();
    let folder = folder(&[
        ("patternc.yaml", "project: p\n"),
        ("a.pattern", "space home\nrecord R in hom {\n}\n"),
        ("init.lua", &settings.join("\n")),
        ("visit.lua", VISIT),
    ]);
    let binary = Path::new(env!("CARGO_BIN_EXE_patternc")).parent().expect("a binary lies in a folder");
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("nvim");
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
        command.env(name, folder.path().join(name));
    }
    let output = command
        .args([
            "--headless",
            "-u",
            "init.lua",
            "-c",
            "lua local ok, why = pcall(dofile, 'visit.lua') if not ok then print(why) vim.cmd('cquit') end",
        ])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .expect("its version was asked for");
    assert!(output.status.success(), "{}", seen(&output));
    let noted = std::fs::read_to_string(folder.path().join("seen.json")).unwrap_or_else(|_| panic!("{}", seen(&output)));
    let noted: Value = serde_json::from_str(&noted).expect("Neovim writes JSON");
    assert_eq!(noted["filetype"], "pattern");
    assert_eq!(noted["commentstring"], "// %s");
    assert_eq!(noted["shiftwidth"], 2);
    assert_eq!(noted["finding"], serde_json::json!({ "code": "unknown-name", "line": 2 }));
    assert_eq!(noted["hints"], true);
    assert!(noted["lens"].as_str().is_some_and(|title| title.contains("Run")), "{noted}");
    assert_eq!(noted["mapped"], true);
    let root = noted["root"].as_str().expect("the folder with patternc.yaml");
    assert_eq!(Path::new(root).file_name(), folder.path().file_name());
    let formatted = "space home\n\nrecord R in home {\n  cell n: Int = 0\n}\n\ntest \"one\" { expect 1 == 1 }";
    assert_eq!(noted["lines"], serde_json::json!(formatted.lines().collect::<Vec<_>>()));
}

#[test]
fn what_zed_reads_fits_together() {
    let read = |name: &str| {
        let text = std::fs::read_to_string(repository().join("editors/zed").join(name)).expect("it is part of the repository");
        text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let (extension, language, package) = (read("extension.toml"), read("languages/pattern/config.toml"), read("Cargo.toml"));
    assert_eq!(extension["id"], package["package"]["name"], "Zed looks for the library of this name");
    assert_eq!(extension["version"], package["package"]["version"]);
    assert_eq!(extension["language_servers"]["patternc"]["languages"].as_array(), Some(&vec![language["name"].clone()]));
    assert_eq!(language["path_suffixes"].as_array().map(Vec::len), Some(1));
}

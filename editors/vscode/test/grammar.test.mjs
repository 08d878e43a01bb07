// The highlighting, over the whole corpus: every token has a scope of its own, words of the language are keywords everywhere.
// UPDATE=1 writes the snapshot again.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, "../../..");

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")));
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => textmate.parseRawGrammar(readFileSync(join(here, "../syntaxes/pattern.tmLanguage.json"), "utf8"), "pattern.json"),
});
const grammar = await registry.loadGrammar("source.pattern");

/** The tokens of a text: line, text, and the innermost scope. */
function tokens(text) {
  const all = [];
  let stack = textmate.INITIAL;
  text.split(/\r?\n/).forEach((line, index) => {
    const result = grammar.tokenizeLine(line, stack);
    stack = result.ruleStack;
    for (const token of result.tokens) {
      const part = line.slice(token.startIndex, token.endIndex);
      if (part.trim() !== "") {
        all.push({ line: index + 1, text: part.trim(), scope: token.scopes.at(-1), scopes: token.scopes });
      }
    }
  });
  assert.equal(stack.depth, grammar.tokenizeLine("", textmate.INITIAL).ruleStack.depth, "nothing is left open at the end");
  return all;
}

function patterns(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".pattern"))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

const corpus = [...patterns(join(repository, "patterns")), ...patterns(join(repository, "tests/seeds")), join(repository, "grammar/tests/whole.pattern")];

test("no token of the corpus is without a scope", () => {
  assert.ok(corpus.length > 10);
  for (const file of corpus) {
    const bare = tokens(readFileSync(file, "utf8")).filter((token) => token.scope === "source.pattern" || token.scope.startsWith("invalid"));
    assert.deepEqual(bare, [], relative(repository, file));
  }
});

test("words of the language are highlighted as such, those of the grammar itself", () => {
  const source = readFileSync(join(repository, "grammar/src/literal.rs"), "utf8");
  const body = source.slice(source.indexOf("pub fn is_reserved"));
  const words = [...body.slice(0, body.indexOf("\n}")).matchAll(/"([a-z]+)"/g)].map((match) => match[1]);
  assert.ok(words.length >= 30, "the list was found");
  for (const word of words) {
    const [token] = tokens(`${word} x`);
    assert.match(token.scope, /^(keyword|storage|constant\.language|variable\.language)/, `${word} is ${token.scope}`);
  }
});

test("words that are names elsewhere are names there", () => {
  for (const [text, word] of [
    ["self.key = index", "key"],
    ["self.index = 1", "index"],
    ["let then = after", "after"],
    ["x.step", "step"],
    ["hold: Int", "hold"],
    ["ok(1)", "ok"],
  ]) {
    const token = tokens(text).findLast((one) => one.text === word);
    assert.match(token.scope, /^(variable|entity)/, `${word} in ${text} is ${token.scope}`);
  }
});

test("braces of what is inserted into a text end where they should", () => {
  const found = tokens('a = "x {f("y {z}")} w" + b');
  assert.equal(found.at(-1).text, "b");
  assert.equal(found.at(-1).scope, "variable.other.pattern");
});

test("the whole language, token by token", () => {
  const file = join(here, "whole.snapshot");
  const text = tokens(readFileSync(join(repository, "grammar/tests/whole.pattern"), "utf8"))
    .map((token) => `${token.line}\t${token.text}\t${token.scope}`)
    .join("\n");
  if (process.env.UPDATE) {
    writeFileSync(file, `${text}\n`);
  }
  assert.equal(`${text}\n`, readFileSync(file, "utf8"));
});

test("findings of a task are understood by the problem matcher", () => {
  const [matcher] = JSON.parse(readFileSync(join(here, "../package.json"), "utf8")).contributes.problemMatchers;
  const line = "a b/new.pattern:2:13: error[unknown-name] there is no space `hom` here";
  const match = new RegExp(matcher.pattern.regexp).exec(line);
  const { file, line: row, column, severity, code, message } = matcher.pattern;
  assert.deepEqual(
    [file, row, column, severity, code, message].map((group) => match[group]),
    ["a b/new.pattern", "2", "13", "error", "unknown-name", "there is no space `hom` here"],
  );
});

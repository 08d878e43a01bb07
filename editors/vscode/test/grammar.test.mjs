// The highlighting, over the whole corpus: every token has a scope of its own, words of the language are keywords everywhere.
// UPDATE=1 writes the snapshot again.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { corpus, repository } from "./corpus.mjs";
import { tokens } from "./tokens.mjs";

const here = dirname(fileURLToPath(import.meta.url));

test("no token of the corpus is without a scope", () => {
  assert.ok(corpus.length > 200, `${corpus.length} texts`);
  for (const { name, text } of corpus) {
    const bare = tokens(text).filter((token) => token.scope === "source.pattern" || token.scope.startsWith("invalid"));
    assert.deepEqual(bare, [], name);
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

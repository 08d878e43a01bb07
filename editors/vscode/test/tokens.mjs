// The TextMate grammar at work.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");
const here = dirname(fileURLToPath(import.meta.url));

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")));
const registry = new textmate.Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => textmate.parseRawGrammar(readFileSync(join(here, "../syntaxes/pattern.tmLanguage.json"), "utf8"), "pattern.json"),
});
const grammar = await registry.loadGrammar("source.pattern");

/** The tokens of a text: line, where it begins there, text, and the innermost scope. */
export function tokens(text) {
  const all = [];
  let stack = textmate.INITIAL;
  text.split(/\r?\n/).forEach((line, index) => {
    const result = grammar.tokenizeLine(line, stack);
    stack = result.ruleStack;
    for (const token of result.tokens) {
      const part = line.slice(token.startIndex, token.endIndex);
      if (part.trim() !== "") {
        const start = token.startIndex + part.length - part.trimStart().length;
        all.push({ line: index + 1, start, text: part.trim(), scope: token.scopes.at(-1), scopes: token.scopes });
      }
    }
  });
  assert.equal(stack.depth, grammar.tokenizeLine("", textmate.INITIAL).ruleStack.depth, "nothing is left open at the end");
  return all;
}

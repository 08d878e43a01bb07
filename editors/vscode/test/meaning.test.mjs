// The TextMate grammar beside what the language server knows: what is a name there is none of the language's words here.
// PATTERNC names the program; without one that is built, this is left out.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

import { corpus, repository } from "./corpus.mjs";
import { tokens } from "./tokens.mjs";

const built = ["release", "debug"].map((profile) => join(repository, "target", profile, "patternc"));
const program = process.env.PATTERNC ? resolve(process.env.PATTERNC) : built.find(existsSync);

/** A language server that is asked one thing after the other. */
function start() {
  const server = spawn(program, ["lsp"], { stdio: ["pipe", "pipe", "inherit"] });
  let buffer = Buffer.alloc(0);
  const waiting = new Map();
  server.stdout.on("data", (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const end = buffer.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(buffer.subarray(0, end).toString())[1]);
      if (buffer.length < end + 4 + length) return;
      const message = JSON.parse(buffer.subarray(end + 4, end + 4 + length).toString());
      buffer = buffer.subarray(end + 4 + length);
      waiting.get(message.id)?.(message);
    }
  });
  let count = 0;
  const send = (message) => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  };
  return {
    notify: (method, params) => send({ method, params }),
    request: (method, params) =>
      new Promise((done, fail) => {
        const id = ++count;
        waiting.set(id, (message) => (message.error ? fail(new Error(message.error.message)) : done(message.result)));
        send({ id, method, params });
      }),
    ended: new Promise((done) => server.on("exit", done)),
    kill: () => server.kill(),
  };
}

async function compare(server, folder) {
  const { capabilities } = await server.request("initialize", { capabilities: {} });
  const kinds = capabilities.semanticTokensProvider.legend.tokenTypes;
  server.notify("initialized", {});
  let compared = 0;
  for (const [number, { name, text }] of corpus.entries()) {
    // Nothing lies there: each text is a project of its own.
    const uri = `file://${folder}/${number}/text.pattern`;
    server.notify("textDocument/didOpen", { textDocument: { uri, languageId: "pattern", version: 1, text } });
    const { data } = await server.request("textDocument/semanticTokens/full", { textDocument: { uri } });
    server.notify("textDocument/didClose", { textDocument: { uri } });
    const scopes = new Map(tokens(text).map((token) => [`${token.line}:${token.start}`, token]));
    let [line, character] = [0, 0];
    for (let at = 0; at < data.length; at += 5) {
      [line, character] = [line + data[at], data[at] === 0 ? character + data[at + 1] : data[at + 1]];
      const token = scopes.get(`${line + 1}:${character}`);
      const word = text.split("\n")[line].slice(character, character + data[at + 2]);
      const what = `${name}:${line + 1}: ${word}, a ${kinds[data[at + 3]]}`;
      assert.ok(token, `${what}, is part of something else`);
      assert.match(token.scope, /^(variable\.(other|parameter)|entity\.name|support)/, `${what}, is ${token.scope}`);
      assert.equal(token.text, word, what);
      compared += 1;
    }
  }
  assert.ok(compared > 3000, `${compared} names compared`);
  await server.request("shutdown");
  server.notify("exit");
  assert.equal(await server.ended, 0);
}

test("names are names in both", { skip: program ? false : "patternc is not built here" }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "patternc-names-"));
  const server = start();
  try {
    await compare(server, folder);
  } finally {
    server.kill();
    rmSync(folder, { recursive: true });
  }
});

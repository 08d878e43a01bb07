// Every `ts` block of the book is a program: its types are checked, with what its page takes for granted declared before it.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const book = join(here, "../../docs/src");

const GRANTED = {
  "coming-from/convex.md": `
    import { mutationGeneric as mutation, makeFunctionReference } from "convex/server";
    import { v } from "convex/values";
    const internal = { mail: { notify: makeFunctionReference<"action", { text: string }>("mail:notify") } };
  `,
  "coming-from/typescript.md": `
    interface Person { email: string; members: string[] }
    declare const db: { get(id: string): Promise<Person>; put(id: string, person: Person): Promise<void> };
    declare const mailer: { send(to: string, text: string): Promise<void> };
    export {};
  `,
};

function findings(text) {
  const name = join(here, "block.ts");
  const options = { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, skipLibCheck: true, types: [] };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.getSourceFile = (file, ...rest) => (file === name ? ts.createSourceFile(file, text, options.target) : getSourceFile(file, ...rest));
  host.fileExists = (file) => file === name || fileExists(file);
  host.readFile = (file) => (file === name ? text : readFile(file));
  return ts.getPreEmitDiagnostics(ts.createProgram([name], options, host)).map((one) => ts.flattenDiagnosticMessageText(one.messageText, "\n"));
}

const pages = readdirSync(book, { recursive: true }).filter((name) => name.endsWith(".md"));
const blocks = pages.flatMap((page) => {
  const text = readFileSync(join(book, page), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((block) => ({ page, text: block[1] }));
});

test("there are such blocks, and a mistake in one is found", () => {
  assert.ok(blocks.length >= 2);
  assert.match(findings(`${GRANTED["coming-from/typescript.md"]} db.put("a");`).join("\n"), /Expected 2 arguments/);
});

for (const { page, text } of blocks) {
  test(`${relative(".", page)} type-checks`, () => assert.deepEqual(findings(`${GRANTED[page] ?? ""}\n${text}`), []));
}

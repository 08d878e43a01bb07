// Every text in the language that the repository has: files, and blocks of the pages and of the tests.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = join(dirname(fileURLToPath(import.meta.url)), "../../..");

function files(folder, ending) {
  return readdirSync(join(repository, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(repository, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((path) => !path.includes("node_modules"));
}

const read = (path) => readFileSync(join(repository, path), "utf8");

function blocks(path) {
  const found = [...read(path).matchAll(/^```pattern.*\n([^]*?)^```$/gm)];
  return found.map((match, index) => ({ name: `${path}, block ${index + 1}`, text: match[1] }));
}

const whole = ["patterns", "tests/seeds", "tests/isolation", "grammar"].flatMap((folder) => files(folder, ".pattern"));

// What the pages of these rules show, and what people write out of habit, is no text of the language.
const noText = /(rules\/(syntax|wrong-case|nesting-limit)|language\/habits)\.md/;

export const corpus = [
  ...whole.map((path) => ({ name: path, text: read(path) })),
  ...["docs/src", "patterns", "tests/language", "tests/runtime", "tests/rules"]
    .flatMap((folder) => files(folder, ".md"))
    .filter((path) => !noText.test(path))
    .flatMap(blocks),
];

// `patternc check` and `patternc test` in every output format, each judged by the validator of that format: SARIF by its JSON schema and
// Microsoft's multitool, JUnit by the XML schema that Jenkins uses, GitLab's report and our own JSON by a JSON schema, GitHub's commands by reading them as a
// runner does. What is checked: every example project, every project that must be refused, every example of the pages of the rules, and files
// whose names and texts are as bad as they come.
//
// `npm ci && npm test`; PATTERNC names the program, which is the one in target/release or target/debug unless given.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import { validateXML } from "xmllint-wasm";

const here = dirname(fileURLToPath(import.meta.url));
const repository = join(here, "../..");
const built = ["release", "debug"].map((profile) => join(repository, "target", profile, "patternc"));
const program = process.env.PATTERNC ? resolve(process.env.PATTERNC) : built.find(existsSync);
const read = (name) => readFileSync(join(here, name), "utf8");

let folder;
let findings;

/** What a command prints; it must end as programs do that could look. */
function printed(...args) {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 28 });
    assert.ok(status === 0 || status === 1, `patternc ${args.join(" ")} ended with ${status}: ${stderr}`);
    return stdout;
}

/** A project of each example on the page of a rule. */
function writeExamples(page) {
    const rule = page.replace(/\.md$/, "");
    let section = "";
    let count = 0;
    let last = "";
    const text = readFileSync(join(repository, "docs/src/rules", page), "utf8");
    for (const [, heading, language, block] of text.matchAll(/^## (.*)$|^```(pattern|yaml).*\n([^]*?)^```$/gm)) {
        if (heading !== undefined) {
            section = heading.toLowerCase().replaceAll(/\W+/g, "-");
            continue;
        }
        // Blocks that import one another are one project, and a configuration belongs to the block before it.
        const named = block.match(/^\/\/ file: (\S+)/)?.[1] ?? (block.startsWith("use ") ? "main.pattern" : undefined);
        if (language === "pattern") {
            last = join(folder, "rules", rule, named ? section : `${section}-${++count}`);
        }
        mkdirSync(last, { recursive: true });
        writeFileSync(join(last, language === "yaml" ? "patternc.yaml" : (named ?? "example.pattern")), block);
    }
}

before(() => {
    assert.ok(program, "build patternc first: cargo build");
    folder = mkdtempSync(join(tmpdir(), "patternc-reports-"));
    cpSync(join(repository, "patterns"), join(folder, "patterns"), { recursive: true });
    cpSync(join(repository, "tests/seeds"), join(folder, "seeds"), { recursive: true });
    const pages = readdirSync(join(repository, "docs/src/rules")).filter((name) => name !== "index.md");
    pages.forEach(writeExamples);
    // Names and texts that end elements, commands and properties of other formats.
    const bad = join(folder, "bad names");
    mkdirSync(join(bad, "a,b:c=d%20&<ü>'\""), { recursive: true });
    const wrong = 'space home\n\nrecord Person in home {\n  cell name: Text = 5 // ]]> & "ü" 😀 \u0001\n  cell boss: Bo\u00dfs?\n}\n';
    writeFileSync(join(bad, "a,b:c=d%20&<ü>'\"", "::error::%0A.pattern"), wrong);
    writeFileSync(join(bad, "windows.pattern"), "\ufeff" + wrong.replaceAll("\n", "\r\n"));
    writeFileSync(join(bad, "no-text.pattern"), Buffer.from([0x73, 0x70, 0xff, 0xfe, 0x00, 0x0a]));
    writeFileSync(join(bad, "empty.pattern"), "");
    writeFileSync(join(bad, "one-line.pattern"), "record {");
    findings = JSON.parse(printed("check", "--output-format", "json", "."));
});

after(() => folder && rmSync(folder, { recursive: true, force: true }));

/** What a JSON schema has against a value. */
function against(schema, value) {
    const ajv = new Ajv({ allErrors: true, schemaId: "auto", logger: false });
    ajv.addMetaSchema(createRequire(import.meta.url)("ajv/lib/refs/json-schema-draft-04.json"));
    const validate = ajv.compile(schema);
    validate(value);
    return (validate.errors ?? []).slice(0, 10);
}

const sarifSchema = () => createRequire(import.meta.url)("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");

/** What the multitool has against a log. It only looks at what the schema does not say. */
function judged(log) {
    const file = join(folder, "found.sarif");
    const report = join(folder, "judged.sarif");
    writeFileSync(file, JSON.stringify(log));
    const multitool = createRequire(import.meta.url)("@microsoft/sarif-multitool");
    chmodSync(multitool, 0o755);
    const env = { ...process.env, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: "1" };
    const args = ["validate", file, "--output", report, "--log", "ForceOverwrite"];
    const { stdout, stderr } = spawnSync(multitool, args, { encoding: "utf8", env });
    assert.ok(existsSync(report), `the multitool judged nothing: ${stdout}${stderr}`);
    const run = JSON.parse(readFileSync(report, "utf8")).runs[0];
    rmSync(report);
    assert.equal(run.invocations[0].executionSuccessful, true);
    return run.results.map((result) => `${result.ruleId} ${result.message.id}`);
}

test("json is what the book says, and every rule that a page shows is there", () => {
    assert.deepEqual(against(JSON.parse(read("findings.schema.json")), findings), []);
    const found = new Set(findings.map((finding) => finding.rule));
    const pages = readdirSync(join(repository, "docs/src/rules")).map((name) => name.replace(/\.md$/, ""));
    assert.deepEqual(pages.filter((rule) => rule !== "index" && !found.has(rule)), []);
});

test("json-lines is the same, a line each", () => {
    const lines = printed("check", "--output-format", "json-lines", ".").trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line)), findings);
});

test("sarif, by its schema and the multitool", () => {
    const log = JSON.parse(printed("check", "--output-format", "sarif", "."));
    assert.deepEqual(against(sarifSchema(), log), []);
    // A project without a page on the web cannot name one.
    assert.deepEqual(judged(log).filter((one) => one !== "SARIF2005 Warning_ProvideToolnformationUri"), []);
    assert.deepEqual(
        log.runs[0].results.map((result) => [result.ruleId, result.locations[0].physicalLocation.region.startLine]),
        findings.map((finding) => [finding.rule, finding.line]),
    );
    // Both can say no.
    log.runs[0].results[0].level = "fatal";
    assert.equal(against(sarifSchema(), log)[0].keyword, "enum");
    log.runs[0].results[0].level = "error";
    log.runs[0].results[0].locations[0].physicalLocation.region.endLine = 0;
    assert.ok(judged(log).some((one) => one.startsWith("SARIF1007")), "a region that ends before it begins");
});

test("gitlab, by what GitLab documents", () => {
    const issues = JSON.parse(printed("check", "--output-format", "gitlab", "."));
    assert.deepEqual(against(JSON.parse(read("gitlab.schema.json")), issues), []);
    assert.equal(new Set(issues.map((issue) => issue.fingerprint)).size, issues.length, "a fingerprint is given once");
    assert.deepEqual(issues.map((issue) => [issue.check_name, issue.location.path, issue.location.lines.begin]), findings.map((finding) => [finding.rule, finding.path, finding.line]));
    assert.deepEqual(JSON.parse(printed("check", "--output-format", "gitlab", "patterns")), []);
});

async function assertJUnit(text) {
    const result = await validateXML({ xml: [{ fileName: "report.xml", contents: text }], schema: [read("junit-10.xsd")] });
    assert.deepEqual(result.errors.slice(0, 5), []);
    assert.ok(result.valid);
}

test("junit, by the schema of Jenkins", async () => {
    const report = printed("check", "--output-format", "junit", ".");
    await assertJUnit(report);
    const failing = findings.filter((finding) => finding.level === "error");
    assert.equal(report.match(/<failure /g).length, failing.length);
    assert.equal(report.match(/<system-out>/g).length, findings.length - failing.length, "what does not fail the check is told, and no failure");
    await assertJUnit(printed("check", "--output-format", "junit", "patterns"));
    await assertJUnit(printed("test", "--output-format", "junit", "patterns/library"));
    writeFileSync(join(folder, "failing.pattern"), 'test "<&\u0002 ]]>" { expect 1 == 2 }\n');
    await assertJUnit(printed("test", "--output-format", "junit", "failing.pattern"));
    rmSync(join(folder, "failing.pattern"));
    const wrong = report.replace("<testcase ", "<testcase unheard-of=\"1\" ");
    await assert.rejects(assertJUnit(wrong), "the schema can say no");
});

/** A line as a runner of GitHub Actions reads it: `::command name=value,…::data`, with what its toolkit escapes. */
function command(line) {
    assert.ok(line.startsWith("::"), line);
    const end = line.indexOf("::", 2);
    assert.ok(end > 0, line);
    const head = line.slice(2, end);
    const space = head.indexOf(" ");
    const unescapeData = (text) => text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
    const unescape = (text) => unescapeData(text.replaceAll("%3A", ":").replaceAll("%2C", ","));
    const properties = head.slice(space + 1).split(",").map((property) => {
        const equals = property.indexOf("=");
        assert.ok(equals > 0, `${property} in ${line}`);
        return [property.slice(0, equals), unescape(property.slice(equals + 1))];
    });
    return { command: head.slice(0, space), ...Object.fromEntries(properties), data: unescapeData(line.slice(end + 2)) };
}

test("github, as a runner reads it", () => {
    const lines = printed("check", "--output-format", "github", ".").trimEnd().split("\n");
    const levels = { error: "error", warn: "warning", info: "notice" };
    const shown = lines.map(command);
    const known = new Set(["command", "data", "file", "line", "endLine", "col", "endColumn", "title"]);
    for (const one of shown) {
        assert.ok(Object.keys(one).every((name) => known.has(name)), JSON.stringify(one));
    }
    assert.deepEqual(
        shown.map((one) => [one.command, one.file, Number(one.line), Number(one.endLine), one.title, one.data.startsWith(one.data.trimStart())]),
        findings.map((finding) => [levels[finding.level], finding.path, finding.line, finding.end_line, `patternc[${finding.rule}]`, true]),
    );
    findings.forEach((finding, index) => assert.ok(shown[index].data.startsWith(finding.message), shown[index].data));
});

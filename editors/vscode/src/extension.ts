// Starts `patternc lsp` and offers its commands as tasks. What anything means is decided there, nothing here.

import * as vscode from "vscode";
import { LanguageClient, LanguageClientOptions, ServerOptions } from "vscode-languageclient/node";

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("patternc.restart", restart),
    vscode.tasks.registerTaskProvider("patternc", { provideTasks, resolveTask }),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("patternc.path")) {
        void restart();
      }
    }),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}

function program(): string {
  return vscode.workspace.getConfiguration("patternc").get<string>("path", "patternc");
}

async function start(): Promise<void> {
  const server: ServerOptions = { command: program(), args: ["lsp"] };
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: "file", language: "pattern" },
      { scheme: "untitled", language: "pattern" },
      { scheme: "file", pattern: "**/patternc.yaml" },
    ],
  };
  client = new LanguageClient("patternc", "patternc", server, options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await vscode.window.showErrorMessage(
      `patternc cannot be started (${error instanceof Error ? error.message : String(error)}). ` +
        "Install it, or say in the settings where it is.",
      "Open settings",
    );
    if (choice !== undefined) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "patternc.path");
    }
  }
}

async function restart(): Promise<void> {
  await client?.stop();
  await start();
}

interface Definition extends vscode.TaskDefinition {
  command: "check" | "test" | "fmt";
  arguments?: string[];
}

function provideTasks(): vscode.Task[] {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return folders.flatMap((folder) => [
    task({ type: "patternc", command: "check" }, folder),
    task({ type: "patternc", command: "test" }, folder),
    task({ type: "patternc", command: "fmt", arguments: ["--check"] }, folder),
  ]);
}

function resolveTask(given: vscode.Task): vscode.Task {
  const scope = given.scope ?? vscode.TaskScope.Workspace;
  // The definition must stay the very object that was given.
  return task(given.definition as Definition, scope);
}

function task(definition: Definition, scope: vscode.WorkspaceFolder | vscode.TaskScope): vscode.Task {
  const given = [definition.command, ...(definition.arguments ?? [])];
  // One line a finding, for the problem matcher.
  const form = definition.command === "check" ? ["--output-format", "concise"] : [];
  const execution = new vscode.ProcessExecution(program(), [...given, ...form]);
  const made = new vscode.Task(definition, scope, given.join(" "), "patternc", execution, "$patternc");
  made.group = definition.command === "test" ? vscode.TaskGroup.Test : vscode.TaskGroup.Build;
  return made;
}

// Three-step sagas on Restate: a server of its own in a temporary folder, with its defaults (every write synced), a service in this process, and
// callers. Prints one JSON line: {"objects": sagas/s, "runs": sagas/s}.
//
// `objects`: each step is a call of a virtual object, which changes its state, as the steps of a pattern's saga are events to records.
// `runs`: each step is a `ctx.run` in the same handler: its result is stored, and nothing else.
//
// node bench.mjs SECONDS IN_FLIGHT

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as restate from "@restatedev/restate-sdk";

// The SDK wants what Node has from version 22 on.
Promise.withResolvers ??= () => {
  let settle;
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
};

const seconds = Number(process.argv[2] ?? 5);
const inFlight = Number(process.argv[3] ?? 64);
const [ingress, admin, service] = [18080, 19070, 19080];

const shelf = restate.object({
  name: "shelf",
  handlers: {
    take: async (ctx) => {
      const left = (await ctx.get("left")) ?? 1e9;
      if (left <= 0) throw new restate.TerminalError("sold out");
      ctx.set("left", left - 1);
      return left - 1;
    },
    give: async (ctx) => ctx.set("left", ((await ctx.get("left")) ?? 1e9) + 1),
  },
});

const saga = restate.service({
  name: "saga",
  handlers: {
    objects: async (ctx, key) => {
      const undo = [];
      try {
        for (const step of ["a", "b", "c"]) {
          const target = ctx.objectClient(shelf, `${step}${key}`);
          await target.take();
          undo.push(() => target.give());
        }
      } catch (error) {
        if (error instanceof restate.TerminalError) for (const back of undo.reverse()) await back();
        throw error;
      }
    },
    runs: async (ctx, key) => {
      for (const step of ["a", "b", "c"]) await ctx.run(step, () => `${step}${key}`);
    },
  },
});

const folder = mkdtempSync(join(tmpdir(), "restate-"));
const server = join(dirname(createRequire(import.meta.url).resolve("@restatedev/restate-server-linux-x64/package.json")), "bin/restate-server");
const child = spawn(server, ["--no-logo", "--base-dir", folder], {
  stdio: "ignore",
  env: {
    ...process.env,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
    RESTATE_BIND_ADDRESS: "127.0.0.1:15122",
  },
});
const end = (status) => {
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
  process.exit(status);
};

const agent = new http.Agent({ keepAlive: true, maxSockets: inFlight });
const post = (port, path, body, headers = {}) =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const request = http.request(
      { host: "127.0.0.1", port, path, method: "POST", agent, headers: { "content-type": "application/json", "content-length": Buffer.byteLength(text), ...headers } },
      (response) => {
        response.resume();
        response.on("end", () => (response.statusCode < 300 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`))));
      },
    );
    request.on("error", reject);
    request.end(text);
  });

restate.endpoint().bind(shelf).bind(saga).listen(service);
let registered = false;
for (let tries = 0; tries < 120 && !registered; tries++) {
  registered = await post(admin, "/deployments", { uri: `http://127.0.0.1:${service}` }).then(() => true, () => false);
  if (!registered) await new Promise((resolve) => setTimeout(resolve, 500));
}
if (!registered) {
  console.error("the server does not come up");
  end(1);
}

let number = 0;
const measure = async (path, time) => {
  const until = Date.now() + time * 1000;
  let done = 0;
  const began = process.hrtime.bigint();
  const caller = async () => {
    while (Date.now() < until) {
      const id = number++;
      // As with a pattern, each saga has an id that makes it happen once.
      await post(ingress, `/saga/${path}`, id % 1000, { "idempotency-key": `s${id}` });
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return done / (Number(process.hrtime.bigint() - began) / 1e9);
};

const rates = {};
for (const path of ["objects", "runs"]) {
  let ready = false;
  for (let tries = 0; tries < 60 && !ready; tries++) {
    ready = await measure(path, 0.5).then(() => true, () => false);
    if (!ready) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  rates[path] = Math.round((await measure(path, seconds)) * 10) / 10;
}
console.log(JSON.stringify(rates));
end(0);

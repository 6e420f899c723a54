// The AWS SDK for JavaScript as a program: a step a line on standard input, its result a line on standard output.
// Knows nothing of Mailseal; the AWS_* variables say where to go. Argument: the folder with its node_modules.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(process.argv[2], "package.json"));
const sesv2 = require("@aws-sdk/client-sesv2");
const home = join(process.argv[2], "node_modules", "@aws-sdk", "client-sesv2");
const DEEPEST = 6;

// The SDK has no model at run time in its older generations; its type declarations are the model in all of them.
function declared() {
  const folder = join(home, "dist-types", "models");
  const text = readdirSync(folder).filter((name) => name.endsWith(".d.ts"))
    .map((name) => readFileSync(join(folder, name), "utf8").replace(/\/\*[^]*?\*\//g, "")).join("\n");
  const shapes = new Map();
  for (const [, name, body] of text.matchAll(/export interface (\w+)(?: extends \w+)? \{([^}]*)\}/g)) {
    shapes.set(name, [...body.matchAll(/^\s*(\w+)\??:\s*(.*);/gm)].map(([, member, type]) => [member, type]));
  }
  return shapes;
}

function members(shapes, name, prefix = "", depth = 0) {
  if (depth > DEEPEST || !shapes.has(name)) return [];
  return shapes.get(name).flatMap(([member, type]) => {
    const path = prefix ? `${prefix}.${member}` : member;
    const inner = type.match(/\w+/g).find((word) => shapes.has(word));
    const below = type.includes("[]") || type.startsWith("Array<") ? `${path}[]` : path;
    return [path, ...(inner ? members(shapes, inner, below, depth + 1) : [])];
  });
}

function known() {
  const shapes = declared();
  const operations = Object.keys(sesv2).filter((name) => name.endsWith("Command")).map((name) => name.slice(0, -7));
  return Object.fromEntries(operations.map((name) => [
    name, { in: members(shapes, `${name}Request`), out: members(shapes, `${name}Response`) },
  ]));
}

// Blobs are bytes in this SDK; a step has text there.
function withBytes(value, name = "", parent = "") {
  if (Array.isArray(value)) return value.map((one) => withBytes(one, name, parent));
  if (typeof value === "string" && ((parent === "Raw" && name === "Data") || name === "RawContent")) {
    return new TextEncoder().encode(value);
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withBytes(inner, key, name)]));
}

const clients = new Map();
function client(region) {
  if (!clients.has(region)) clients.set(region, new sesv2.SESv2Client({ region, maxAttempts: 1 }));
  return clients.get(region);
}

const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
console.log(JSON.stringify({ version: `${version} (node ${process.versions.node})`, known: known() }));
for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  let result;
  try {
    const answer = await client(step.region).send(new sesv2[`${step.operation}Command`](withBytes(step.input)));
    delete answer.$metadata;
    result = { answer };
  } catch (error) {
    const status = error.$metadata?.httpStatusCode;
    result = status
      ? { error: { name: error.name, message: error.message, status } }
      : { fault: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify(result));
}

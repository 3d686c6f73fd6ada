// Checks the MCP endpoint with the official TypeScript SDKs: @modelcontextprotocol/sdk, which speaks the era up to
// 2025-11-25, and @modelcontextprotocol/client, which speaks both. Over HTTP and stdio: every tool is listed and
// called, and one wrong call is answered with what would be right.
//
//     node sdk.mjs URL BEARER COMMAND [ARGUMENT…]
//
// One line per check; exit status 1 if any fails. Needs an engine that knows at least one instrument.

import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as Http1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as Http2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { readFile } from "node:fs/promises";

const [url, bearer, command, ...args] = process.argv.slice(2);
const MODERN = "2026-07-28";
const identity = { name: "tidegate-tests", version: "1" };
const ENVELOPE = ["mode", "data", "as_of", "seq", "age_ms", "feed_state"];

// What each tool is called with, given a key; a tool that is not here fails the test: it would go untried.
const CALLS = JSON.parse(await readFile(new URL("calls.json", import.meta.url), "utf8"));

let passed = 0;
let failed = 0;

function check(name, isRight, seen) {
  isRight ? passed++ : failed++;
  console.log(`${isRight ? "ok  " : "FAIL"} ${name}${isRight ? "" : `: ${JSON.stringify(seen)?.slice(0, 600)}`}`);
}

const http = (Transport) =>
  new Transport(new URL(url), { requestInit: { headers: { Authorization: `Bearer ${bearer}` } } });
const stdio = (Transport) => new Transport({ command, args });

const legacy = { versionNegotiation: { mode: "legacy" } };
const modern = { versionNegotiation: { mode: { pin: MODERN } } };
const connections = [
  ["sdk 1, http, 2025-11-25", () => [new Client1(identity), http(Http1)]],
  ["sdk 1, stdio, 2025-11-25", () => [new Client1(identity), stdio(Stdio1)]],
  ["client 2, http, 2025-11-25", () => [new Client2(identity, legacy), http(Http2)]],
  ["client 2, stdio, 2025-11-25", () => [new Client2(identity, legacy), stdio(Stdio2)]],
  [`client 2, http, ${MODERN}`, () => [new Client2(identity, modern), http(Http2)]],
  [`client 2, stdio, ${MODERN}`, () => [new Client2(identity, modern), stdio(Stdio2)]],
];

/** The arguments of a call, with the key that is known filled in. */
const filled = (value, key) => JSON.parse(JSON.stringify(value).replaceAll("$KEY", key));

for (const [where, connect] of connections) {
  const [client, transport] = connect();
  try {
    await client.connect(transport);
    check(`${where}: the server names itself`, client.getServerVersion()?.name === "tidegate", client.getServerVersion());
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name);
    check(`${where}: every tool has a call here`, names.every((name) => name in CALLS) && names.includes("get_depth"), names);
    const status = await client.callTool({ name: "get_status", arguments: {} });
    const key = status.structuredContent.feeds[0].instrument.split("@")[0];
    for (const name of names.filter((name) => name in CALLS)) {
      // Both SDKs hold the answer against the tool's output schema.
      const result = await client.callTool({ name, arguments: filled(CALLS[name], key) });
      const fields = result.structuredContent ?? {};
      const isWhole = ENVELOPE.every((field) => field in fields);
      check(`${where}: ${name} answers`, !result.isError && isWhole && result.content[0].text.length > 0, result);
    }
    const wrong = await client.callTool({ name: "get_depth", arguments: { instrument: key, levels: 500 } });
    const told = wrong.structuredContent ?? {};
    const isTold = wrong.isError && told.field === "levels" && told.retryable === false && wrong.content[0].text.includes("levels");
    check(`${where}: a wrong call is told what is wrong`, isTold, wrong);
    const right = await client.callTool({ name: "get_depth", arguments: { instrument: key, levels: told.nearest } });
    check(`${where}: and does what it was told`, !right.isError, right);
  } catch (error) {
    check(`${where}: no error`, false, String(error?.stack ?? error));
  } finally {
    await client.close();
  }
}

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);

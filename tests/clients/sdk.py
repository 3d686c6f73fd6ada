"""Checks the MCP endpoint with the official Python SDK (`mcp` 2.3.0): both eras, HTTP and stdio.

    python sdk.py --url http://127.0.0.1:8765/mcp --bearer tg_… --stdio-command 'tidegate mcp'

One line per check; exit status 1 if any fails. Needs an engine that knows at least one instrument.
"""

import argparse
import asyncio
import json
import re
import shlex
import sys
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

ENVELOPE = ["mode", "data", "as_of", "seq", "age_ms", "feed_state"]
REFUSAL = ["code", "message", "field", "got", "allowed", "nearest", "retryable"]
TOOLS = [
    "analyze_liquidity",
    "compute_indicators",
    "find_instruments",
    "get_bars",
    "get_depth",
    "get_quotes",
    "get_status",
    "screen_instruments",
    "wait_for",
]
MODERN = "2026-07-28"
INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")

passed = failed = 0


def check(name, is_right, seen=""):
    """Prints one line and counts it."""
    global passed, failed
    passed, failed = passed + bool(is_right), failed + (not is_right)
    print(f"{'ok  ' if is_right else 'FAIL'} {name}" + ("" if is_right else f": {str(seen)[:600]}"), flush=True)


def text_of(result):
    return "\n".join(block.text for block in result.content)


def check_envelope(where, fields, text):
    check(f"{where}: envelope is whole", all(name in fields for name in ENVELOPE), fields)
    check(f"{where}: as_of is RFC 3339 with nanoseconds", INSTANT.match(fields.get("as_of") or ""), fields)
    seq = fields.get("seq")
    check(f"{where}: seq is a number below 2^53", isinstance(seq, int) and 0 <= seq < 2**53, seq)
    check(f"{where}: the text says mode and data", f"{fields['mode']} {fields['data']}" in text, text)


def check_book(where, depth, levels):
    for side, is_better in [("bids", Decimal.__gt__), ("asks", Decimal.__lt__)]:
        rows = depth[side]
        prices = [Decimal(price) for price, _ in rows]
        is_sorted = all(is_better(a, b) for a, b in zip(prices, prices[1:]))
        is_text = all(isinstance(cell, str) and Decimal(cell) > 0 for row in rows for cell in row)
        check(f"{where}: {side} are at most {levels} decimal rows, best first", len(rows) <= levels and is_sorted and is_text, rows)
    if depth["feed_state"] != "live":
        check(f"{where}: a book that is not live shows no level", not depth["bids"] and not depth["asks"], depth)
    elif depth["bids"] and depth["asks"]:
        check(f"{where}: bid is below ask", Decimal(depth["bids"][0][0]) < Decimal(depth["asks"][0][0]), depth)
    is_full = len(depth["bids"]) == levels and len(depth["asks"]) == levels
    check(f"{where}: complete says whether levels are missing", depth["complete"] == is_full, depth)


def check_refusal(where, result, code, field):
    fields, text = result.structured_content or {}, text_of(result)
    check(f"{where}: is an error with {code} at {field}", result.is_error and (fields.get("code"), fields.get("field")) == (code, field), text)
    check(f"{where}: refusal is whole", all(name in fields for name in REFUSAL + ENVELOPE), fields)
    told = [fields.get(name) for name in ("code", "field", "got", "allowed") if fields.get(name)]
    check(f"{where}: the text says as much", all(value in text for value in told) and fields.get("mode", "?") in text, text)


def is_signed(result):
    info = (result.meta or {}).get("io.modelcontextprotocol/serverInfo")
    return info is not None and info["name"] == "tidegate" and bool(info["version"])


async def check_list(where, client, is_modern):
    listed = await client.list_tools()
    names = [tool.name for tool in listed.tools]
    check(f"{where}: tools/list names the tools in order", names == TOOLS, names)
    again = await client.session.list_tools()
    check(f"{where}: tools/list is deterministic", again.tools == listed.tools)
    for tool in listed.tools:
        hints = tool.annotations
        is_honest = hints.read_only_hint and not hints.destructive_hint and not hints.open_world_hint
        is_strict = tool.input_schema["additionalProperties"] is False and tool.output_schema["additionalProperties"] is False
        check(f"{where}: {tool.name} is read-only, strict and described", is_honest and is_strict and tool.description, tool)
    if is_modern:
        check(f"{where}: tools/list may be cached, privately", (listed.ttl_ms or 0) > 0 and listed.cache_scope == "private", listed)
        check(f"{where}: tools/list is signed", is_signed(listed), listed.meta)


async def call(where, client, is_modern, tool, arguments):
    """Calls a tool (the SDK validates the answer against its output schema)."""
    result = await client.call_tool(tool, arguments)
    check(f"{where}: {tool} answers", not result.is_error, text_of(result))
    if is_modern:
        check(f"{where}: {tool} is signed", is_signed(result), result.meta)
    check_envelope(f"{where}: {tool}", result.structured_content, text_of(result))
    return result.structured_content, text_of(result)


async def check_tools(where, client, is_modern):
    status, _ = await call(where, client, is_modern, "get_status", {})
    feeds = [feed["instrument"] for feed in status["feeds"]]
    check(f"{where}: get_status lists feeds", len(feeds) > 0, status)
    source_key = feeds[0]
    key = source_key.split("@")[0]

    quotes, text = await call(where, client, is_modern, "get_quotes", {"instruments": feeds[:3]})
    check(f"{where}: get_quotes answers in order", [quote["instrument"] for quote in quotes["quotes"]] == feeds[:3], quotes)
    prices = [quote["bid"] for quote in quotes["quotes"] if quote["bid"]]
    check(f"{where}: the text holds the prices too", all(price in text for price in prices), text)

    for feed in feeds[:3]:
        depth, _ = await call(where, client, is_modern, "get_depth", {"instrument": feed, "levels": 5})
        check_book(f"{where}: get_depth {feed}", depth, 5)
    depth, _ = await call(where, client, is_modern, "get_depth", {"instrument": key})
    check(f"{where}: ten levels by default", depth["levels"] == 10, depth)
    check(f"{where}: seq never goes back", status["seq"] <= quotes["seq"] <= depth["seq"], (status["seq"], depth["seq"]))
    return key


async def check_refusals(where, client, key):
    async def refused(tool, arguments, code, field):
        result = await client.call_tool(tool, arguments)
        check_refusal(f"{where}: {tool} {json.dumps(arguments)[:50]}", result, code, field)
        return result.structured_content

    fields = await refused("get_depth", {"instrument": key.lower()}, "unknown_instrument", "instrument")
    check(f"{where}: the key that was meant is named", fields["nearest"] == key, fields)
    fields = await refused("get_depth", {"instrument": key, "levels": 500}, "out_of_range", "levels")
    check(f"{where}: the nearest right value is named", fields["nearest"] == 50, fields)
    fields = await refused("get_depth", {"instrument": key, "level": 5}, "unknown_argument", "level")
    check(f"{where}: the argument that was meant is named", fields["nearest"] == "levels", fields)
    await refused("get_depth", {}, "missing_argument", "instrument")
    await refused("get_depth", {"instrument": key, "levels": "many"}, "wrong_type", "levels")
    await refused("get_status", {"verbose": True}, "unknown_argument", "verbose")
    await refused("get_quotes", {"instruments": []}, "out_of_range", "instruments")
    await refused("get_quotes", {"instruments": [key] * 51}, "out_of_range", "instruments")
    await refused("get_quotes", {"instruments": [key, 7]}, "wrong_type", "instruments[1]")
    fields = await refused("get_depth", {"instrument": "\u202e\n" + "🦀" * 10_000}, "unknown_instrument", "instrument")
    check(f"{where}: what is echoed is cut and escaped", len(fields["got"]) < 100 and "\n" not in fields["got"], fields)
    try:
        await client.call_tool("get_dept", {})
        check(f"{where}: an unknown tool is a protocol error", False)
    except MCPError as error:
        data = error.error.data or {}
        check(f"{where}: an unknown tool is a protocol error with the nearest", data.get("nearest") == "get_depth" and data.get("mode"), error)


async def check_parallel(where, client, key):
    results = await asyncio.gather(*(client.call_tool("get_depth", {"instrument": key, "levels": n % 50 + 1}) for n in range(24)))
    levels = [result.structured_content["levels"] for result in results]
    check(f"{where}: 24 calls at once get their own answers", levels == [n % 50 + 1 for n in range(24)], levels)


@asynccontextmanager
async def http(url, bearer):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}, trust_env=False, timeout=10) as client:
        async with streamable_http_client(url, http_client=client) as streams:
            yield streams


async def check_transport(name, transport, mode):
    where, is_modern = f"{name} {mode}", mode != "legacy"
    async with Client(transport, mode=mode, read_timeout_seconds=10) as client:
        if is_modern:
            discovered = await client.session.send_discover(MODERN)
            check(f"{where}: server/discover offers {MODERN}", MODERN in discovered["supportedVersions"], discovered)
            check(f"{where}: server/discover holds the instructions", 0 < len(discovered["instructions"]) <= 2048, discovered)
        else:
            started = client.session.initialize_result
            check(f"{where}: initialize agrees on 2025-11-25", started.protocol_version == "2025-11-25", started)
            check(f"{where}: initialize names the server", started.server_info.name == "tidegate", started)
            check(f"{where}: initialize holds the instructions", 0 < len(started.instructions) <= 2048, started)
        await check_list(where, client, is_modern)
        key = await check_tools(where, client, is_modern)
        await check_refusals(where, client, key)
        await check_parallel(where, client, key)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--bearer", required=True)
    parser.add_argument("--stdio-command", help="checked too where it is given")
    options = parser.parse_args()
    for mode in ("legacy", MODERN):
        await check_transport("http", http(options.url, options.bearer), mode)
        if options.stdio_command:
            command, *arguments = shlex.split(options.stdio_command)
            transport = stdio_client(StdioServerParameters(command=command, args=arguments))
            await check_transport("stdio", transport, mode)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""A running engine, asked as the least of clients would."""

import json
import pathlib
import urllib.request

PATIENCE_S = 60


def endpoint_of(data):
    """Where the engine of a data folder is, and what opens it."""
    return json.loads((pathlib.Path(data) / "run/endpoint.json").read_text())


def call(endpoint, tool, arguments=None):
    """The structured answer of a tool."""
    params = {"name": tool, "arguments": arguments or {}}
    headers = {
        "Authorization": f"Bearer {endpoint['bearer']}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    request = urllib.request.Request(f"http://{endpoint['address']}/mcp", body, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)["result"]["structuredContent"]

"""From nothing to the first useful answer, as a real client sees it: `tidegate mcp` on a fresh data folder, driven by
the official Python SDK over stdio, until `get_depth` shows a live book.

    python first_answer.py --tidegate PATH [--write]

Prints the median time from the start of the process beside the limit, and fails beyond it. What went over stdin and
stdout is compared with first_answer.jsonl, numbers and times made equal; --write writes that file anew.
"""

import argparse
import asyncio
import json
import pathlib
import re
import shlex
import statistics
import sys
import tempfile
import time

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

LIMIT_MS = 2_000
PATIENCE_S = 30
GOLDEN = pathlib.Path(__file__).with_suffix(".jsonl")
QUESTION = {"instrument": "NSE:RELIANCE", "levels": 1}
NUMBER = re.compile(r"\d+(\.\d+)?")
# What differs from run to run: times, counters, prices. Everything else must be the same, byte for byte.
VOLATILE = {"id", "as_of", "as_of_local", "seq", "age_ms", "bids", "asks", "known_to_bid", "known_to_ask", "version",
            "text"}


def normalised(value, name=""):
    if isinstance(value, dict):
        return {key: normalised(field, key) for key, field in sorted(value.items())}
    if isinstance(value, list):
        return [normalised(item, name) for item in value]
    if name not in VOLATILE or isinstance(value, bool) or value is None:
        return value
    return NUMBER.sub("#", value) if isinstance(value, str) else 0


def transcript(folder):
    """The handshake, and the last question with its answer: how often it was asked before is a matter of time."""
    sent, received = (
        [json.loads(line) for line in (folder / name).read_text().splitlines()] for name in ("sent", "received")
    )
    answers = {message["id"]: message for message in received}
    lines = []
    calls = [message for message in sent if message["method"] == "tools/call"]
    for request in [message for message in sent if message["method"] == "initialize"] + calls[-1:]:
        lines += [{"client": normalised(request)}, {"tidegate": normalised(answers[request["id"]])}]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


async def first_answer(tidegate, folder):
    """Milliseconds from the start of the process to a live book."""
    program = f"{shlex.quote(tidegate)} --data {folder}/data mcp"
    # The shell writes down what passes; it is part of the time.
    server = StdioServerParameters(command="sh", args=["-c", f"tee {folder}/sent | {program} | tee {folder}/received"])
    began = time.monotonic()
    async with Client(stdio_client(server), mode="legacy", read_timeout_seconds=PATIENCE_S) as client:
        while True:
            result = await client.call_tool("get_depth", QUESTION)
            depth = result.structured_content
            if not result.is_error and depth["feed_state"] == "live" and depth["bids"] and depth["asks"]:
                return (time.monotonic() - began) * 1_000
            assert time.monotonic() - began < PATIENCE_S, depth
            await asyncio.sleep(0.005)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    times, seen = [], set()
    for _ in range(options.starts):
        with tempfile.TemporaryDirectory() as folder:
            times.append(asyncio.run(first_answer(options.tidegate, folder)))
            seen.add(transcript(pathlib.Path(folder)))
    if options.write:
        GOLDEN.write_text(min(seen))
    expected = GOLDEN.read_text()
    for other in seen - {expected}:
        print(f"the transcript is not {GOLDEN.name}, which --write would change:", file=sys.stderr)
        print(other, file=sys.stderr)
    median = statistics.median(times)
    print(f"first useful answer after {median:.0f} ms (median of {len(times)}; limit {LIMIT_MS} ms)")
    return 0 if seen == {expected} and median <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())

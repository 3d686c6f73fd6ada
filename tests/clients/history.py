"""How soon the past can be asked of a fresh `tidegate`, and how soon an input that was applied is seen by queries.

Prints each beside its limit, and fails beyond five times the limit.
"""

import argparse
import signal
import subprocess
import tempfile
import time

from engine import PATIENCE_S, call, endpoint_of

FIRST_LIMIT_MS = 1_000
SEEN_LIMIT_MS = 100


def report(what, value, limit):
    print(f"{what}: {value:.0f} ms (limit {limit})")
    assert value <= 5 * limit, "beyond five times the limit"


def first_answers(endpoint, began):
    """A year of days, and minutes of the last hours, of the index and of a share."""
    for key in ["NSE:NIFTY", "NSE:INFY"]:
        for interval, limit in [("1d", 150), ("1m", 150)]:
            bars = call(endpoint, "get_bars", {"instrument": key, "interval": interval, "limit": limit})
            assert len(bars["bars"]["rows"]) == limit, bars
    return (time.monotonic() - began) * 1_000


def seen(endpoint):
    """Milliseconds from an input's being applied, or shortly after, to queries' seeing it."""
    before = call(endpoint, "get_status")["seq"]
    while (applied := call(endpoint, "get_status")["seq"]) == before:
        pass
    began = time.monotonic()
    while call(endpoint, "get_status")["history"]["seen_seq"] < applied:
        assert time.monotonic() - began < PATIENCE_S
    return (time.monotonic() - began) * 1_000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        began = time.monotonic()
        command = [arguments.tidegate, "--data", data, "serve", "--listen", "127.0.0.1:0", "--rate", "1000"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout.readline().startswith("PAPER, SIMULATED DATA")
            endpoint = endpoint_of(data)
            report("from the start to four answers about the past", first_answers(endpoint, began), FIRST_LIMIT_MS)
            took = sorted(seen(endpoint) for _ in range(arguments.count))
            print(f"an input is seen by queries after {took[len(took) // 2]:.0f} ms (median of {len(took)})")
            report("and after at most", took[-1], SEEN_LIMIT_MS)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0, "Ctrl-C ends it in order"
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()

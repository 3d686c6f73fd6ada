"""How long `tidegate` takes from its start to a live, recording market; and whether Ctrl-C ends it in order.

Prints the median of a few starts on fresh data folders beside the limit, and fails beyond five times the limit.
"""

import argparse
import signal
import statistics
import subprocess
import tempfile
import time

from engine import PATIENCE_S, call, endpoint_of

LIMIT_MS = 2_000


def start(tidegate, data):
    """Milliseconds until the first book is live and the first input is in a file."""
    began = time.monotonic()
    process = subprocess.Popen(
        [tidegate, "--data", data, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    try:
        banner = process.stdout.readline()
        assert banner.startswith("PAPER, SIMULATED DATA"), banner
        endpoint = endpoint_of(data)
        while True:
            now = call(endpoint, "get_status")
            if now["feeds_live"] > 0 and now["recorder"]["written_seq"] > 0:
                took = (time.monotonic() - began) * 1_000
                break
            assert time.monotonic() - began < PATIENCE_S, now
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, "Ctrl-C ends it in order"
        return took
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--starts", type=int, default=5)
    arguments = parser.parse_args()
    times = []
    for _ in range(arguments.starts):
        with tempfile.TemporaryDirectory() as data:
            times.append(start(arguments.tidegate, data))
    median = statistics.median(times)
    print(f"live and recording after {median:.0f} ms (median of {len(times)}; limit {LIMIT_MS} ms)")
    raise SystemExit(0 if median <= 5 * LIMIT_MS else 1)


main()

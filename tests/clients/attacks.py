"""Attacks on a running engine: whoever makes them, others are served, and memory and processor are bounded.

    python attacks.py --tidegate target/release/tidegate [--rounds 3]

Heavy reads of history that nobody waits for any more, connections without a bearer, bodies that never end, wrong
bearers by the thousand, and queries on the command line that are too large. All the while get_status must be answered
within 1 s; a shared machine may be late, so that only five times as long fails. Prints each value beside its limit;
exit status 1 beyond one.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE_S = 60
STATUS_S = 1.0
LATE = 5
HEAVY_CALLS = 60
# Four reads' worth of bars and what the pool may hold, above what an engine without readers has.
GROWTH_MIB_MAX = 900
CONNECTIONS = 500
WRONG_BEARERS = 3_000
TERMS = 30_000
# An argument may have 128 KiB.
ALTERNATIVES = 6_000
QUERY_MIB_MAX = 1_700
failed = 0


def check(name, value, limit, is_right):
    """Prints one line and counts it."""
    global failed
    failed += not is_right
    print(f"{'ok  ' if is_right else 'FAIL'} {name}: {value} (limit {limit})", flush=True)


class Engine:
    """A simulated market, served, and what is known of its process."""

    def __init__(self, tidegate, data):
        self.tidegate, self.data = [tidegate, "--data", data], pathlib.Path(data)
        serve = [*self.tidegate, "serve", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        while not (line := self.process.stdout.readline()).startswith("MCP at"):
            assert line, "the engine did not start"
        known = json.loads((self.data / "run/endpoint.json").read_text())
        host, port = known["address"].rsplit(":", 1)
        self.address, self.bearer = (host, int(port)), known["bearer"]

    def client_bearer(self, name):
        environment = {**os.environ, "HOME": str(self.data / "home")}
        subprocess.run([*self.tidegate, "connect", name], env=environment, check=True, capture_output=True)
        return (self.data / "run/clients" / name).read_text().strip()

    def mib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024

    def processor_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self, timeout=PATIENCE_S):
        return socket.create_connection(self.address, timeout)

    def head(self, length, bearer=None, extra=()):
        lines = ["POST /mcp HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}"]
        lines += [f"Authorization: Bearer {bearer or self.bearer}", "Content-Type: application/json"]
        lines += ["Accept: application/json, text/event-stream", f"Content-Length: {length}", *extra]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, method, params, bearer=None, extra=(), timeout=PATIENCE_S):
        """A connection over which a request was sent."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        stream = self.connect(timeout)
        stream.sendall(self.head(len(body), bearer, extra) + body)
        return stream

    def call(self, tool, arguments, bearer=None, timeout=PATIENCE_S):
        """The result of a tool."""
        with self.send("tools/call", {"name": tool, "arguments": arguments}, bearer, ["Connection: close"], timeout) as stream:
            answer = b"".join(iter(lambda: stream.recv(65536), b""))
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])["result"]


class Watch:
    """Asks for the status all the while, and looks at the process."""

    def __init__(self, engine, bearer=None):
        self.engine, self.bearer = engine, bearer
        self.slowest, self.answers, self.peak_mib, self.errors = 0.0, 0, engine.mib(), []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=job, daemon=True) for job in (self.ask, self.look)]

    def ask(self):
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                assert "isError" not in (said := self.engine.call("get_status", {}, self.bearer)) or not said["isError"], said
                self.answers += 1
            except Exception as error:  # whatever it is, the status was not told
                self.errors.append(repr(error)[:200])
            self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.02)

    def look(self):
        while not self.stop.is_set():
            self.peak_mib = max(self.peak_mib, self.engine.mib())
            time.sleep(0.02)

    def __enter__(self):
        self.before_mib = self.engine.mib()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def tell(self, during):
        limit = f"{STATUS_S} s, {STATUS_S * LATE} s fails"
        check(f"get_status {during}, slowest of {self.answers}", f"{self.slowest:.3f} s", limit, self.slowest <= STATUS_S * LATE)
        check(f"get_status {during}, not answered", f"{len(self.errors)} {self.errors[:1]}", 0, not self.errors and self.answers > 0)


def nested(period, depth):
    return "close" if depth == 0 else f"sma({nested(period, depth - 1)}, {period - depth})"


def heavy_requests(count):
    """Reads of every kind, all different, so that nothing is worked out once for several."""
    for at in range(count):
        deep = nested(9_000 - 10 * at, 8)
        condition = f"{deep} > {nested(8_500 - 10 * at, 3)}"
        kinds = [
            ("tools/call", {"name": "screen_instruments", "arguments": {"condition": condition, "interval": "1m"}}, ()),
            ("tools/call", {"name": "screen_instruments", "arguments": {"condition": condition, "interval": "1m", "rank_by": deep}}, ()),
            ("tools/call", {"name": "compute_indicators", "arguments": {
                "instruments": ["NSE:INFY", "NSE:TCS", "BINANCE:BTCUSDT"], "interval": "1m", "expressions": [deep]}}, ()),
            ("tools/call", {"name": "wait_for", "arguments": {
                "instrument": "NSE:INFY", "interval": "1m", "condition": f"sma({nested(900 - at, 4)}, 9) < 0"}}, ()),
            ("tools/call", {"name": "get_bars", "arguments": {
                "instrument": "NSE:INFY", "interval": "1m", "limit": 150, "to": f"2026-01-01T00:{at:02}:00Z"}}, ()),
        ]
        # Most are of the heaviest kind.
        yield kinds[0] if at % 3 else kinds[at // 3 % len(kinds)]


def check_heavy_reads(engine, rounds, other):
    engine.call("get_status", {})
    for number in range(rounds):
        with Watch(engine) as watch:
            streams = [engine.send(method, params, extra=extra) for method, params, extra in heavy_requests(HEAVY_CALLS)]
            began = time.monotonic()
            bars = {"instrument": "NSE:TCS", "interval": "1d", "limit": 150}
            served = 0
            while time.monotonic() - began < 3:
                said = engine.call("get_bars", bars, other)
                served += said.get("isError") is not True
            # Nobody waits for an answer any more.
            for stream in streams:
                stream.close()
            left = time.monotonic()
        watch.tell(f"beside {HEAVY_CALLS} heavy reads ({number + 1} of {rounds})")
        check("reads of another client that were answered meanwhile", served, "at least 1", served >= 1)
        growth = watch.peak_mib - watch.before_mib
        check("growth in MiB", f"{growth:.0f}, from {watch.before_mib:.0f}", GROWTH_MIB_MAX, growth <= GROWTH_MIB_MAX)
        # The market itself takes a part of a core.
        deadline, used = left + 10, None
        while time.monotonic() < deadline:
            before = engine.processor_s()
            time.sleep(0.5)
            used = (engine.processor_s() - before) / 0.5
            if used < 0.5:
                break
        took = time.monotonic() - left
        check("of a core, once the callers have left", f"{used:.2f} after {took:.1f} s", "0.5 after 10 s", used < 0.5)


def check_connections(engine):
    head = f"Host: {engine.address[0]}:{engine.address[1]}\r\n"
    kinds = {
        "that say nothing": b"",
        "with one byte": b"G",
        "with half a head": f"POST /mcp HTTP/1.1\r\n{head}".encode(),
        "that keep /healthz": f"GET /healthz HTTP/1.1\r\n{head}\r\n".encode(),
        "with a wrong bearer": engine.head(10, "wrong"),
    }
    for kind, said in kinds.items():
        held = []
        try:
            for _ in range(CONNECTIONS):
                stream = engine.connect()
                held.append(stream)
                try:
                    stream.sendall(said)
                except OSError:
                    pass  # It had to make room already.
            with Watch(engine) as watch:
                while watch.answers + len(watch.errors) < 5:
                    time.sleep(0.01)
            watch.tell(f"beside {CONNECTIONS} connections {kind}")
        finally:
            for stream in held:
                stream.close()


def check_bodies(engine, other):
    held = []
    try:
        for _ in range(100):
            stream = engine.connect()
            stream.sendall(engine.head(1_000) + b"{")
            held.append(stream)
        for who, bearer in [("the same client", None), ("another client", other)]:
            with Watch(engine, bearer) as watch:
                while watch.answers + len(watch.errors) < 5:
                    time.sleep(0.01)
            watch.tell(f"for {who} beside {len(held)} bodies that do not end")
    finally:
        for stream in held:
            stream.close()


def check_refusals(engine):
    log = engine.data / "logs/errors.jsonl"
    before = log.stat().st_size if log.exists() else 0
    for _ in range(WRONG_BEARERS):
        with engine.connect() as stream:
            stream.sendall(engine.head(0, "wrong"))
            stream.recv(1_000)
    grown = (log.stat().st_size if log.exists() else 0) - before
    check(f"bytes of log that {WRONG_BEARERS} wrong bearers make", grown, 2_000, grown <= 2_000)


def check_queries(engine):
    chain = "select 1" + " + 1" * TERMS
    either = "select * from bars where " + " or ".join(f"trades = {at}" for at in range(ALTERNATIVES))
    large = {
        f"a sum of {TERMS} terms": chain,
        f"{ALTERNATIVES} alternatives": either,
        "nested parentheses": "select " + "(" * TERMS + "1" + ")" * TERMS,
        "a text of many MiB": "select length(repeat('x', 1000000000) || repeat('y', 1000000000))",
        "rows by rows by rows": "select count(*) from (select a.ts, b.ts, c.ts, row_number() over (order by a.ts, b.ts desc) n from bars a, bars b, bars c) x where n > 5",
        "an array of a thousand million": "select unnest(generate_series(1, 1000000000)) v order by v desc limit 1",
    }
    for name, sql in large.items():
        query = subprocess.Popen([*engine.tidegate, "query", sql], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        peak = 0.0
        while query.poll() is None:
            try:
                text = pathlib.Path(f"/proc/{query.pid}/status").read_text()
                peak = max(peak, int((re.search(r"VmRSS:\s+(\d+) kB", text) or [0, 0])[1]) / 1024)
            except FileNotFoundError:
                pass
            time.sleep(0.01)
        said = query.stderr.read().strip().splitlines()[-1:] or ["nothing"]
        check(f"query: {name}", f"exit {query.returncode}: {said[0][:160]}", "exit 0 or 1", query.returncode in (0, 1))
        check(f"query: {name}, MiB", f"{peak:.0f}", QUERY_MIB_MAX, peak <= QUERY_MIB_MAX)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="one of connections, bodies, refusals, reads, queries")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        engine = Engine(options.tidegate, data)
        try:
            other = engine.client_bearer("cursor")
            attacks = {
                "connections": lambda: check_connections(engine),
                "bodies": lambda: check_bodies(engine, other),
                "refusals": lambda: check_refusals(engine),
                "reads": lambda: check_heavy_reads(engine, options.rounds, other),
                "queries": lambda: check_queries(engine),
            }
            for attack in [options.only] if options.only else attacks:
                attacks[attack]()
            engine.process.send_signal(signal.SIGINT)
            check("Ctrl-C ends it in order", engine.process.wait(PATIENCE_S), 0, engine.process.returncode == 0)
        finally:
            engine.process.kill()
            engine.process.wait()
    sys.exit(1 if failed else 0)


main()

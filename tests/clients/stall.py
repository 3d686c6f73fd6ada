"""Stalled and healthy readers beside a simulated market at ten times its usual pace: nothing of it may be lost.

Of the simulated exchange's WebSocket and of the MCP endpoint each, one client asks and never reads again, and ten
read all they are sent. Afterwards every input up to `written_seq` must be on the tape, without a hole, and the
engine must not have grown. Prints each value beside its limit; exit status 1 beyond one.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HEALTHY = 10
RATE_PERCENT = 1_000
# By then books are filled: what the engine grows by from there on, readers cost.
WARM_UP_S = 10
# A small window, so that the exchange notices soon that nobody reads.
STALLED_BUFFER_BYTES = 2_048
GROWTH_MIB_MAX = 64
PATIENCE_S = 120
PAIRS = ["btcusdt", "ethusdt"]
STREAMS = [f"{pair}@{kind}" for pair in PAIRS for kind in ["depth@100ms", "trade", "bookTicker"]]

failed = 0


def check(name, value, limit, is_right):
    """Prints one line and counts it."""
    global failed
    failed += not is_right
    print(f"{'ok  ' if is_right else 'FAIL'} {name}: {value} (limit {limit})", flush=True)


def send_frame(stream, opcode, payload):
    """A client's frame: masked, which a mask of zeros satisfies."""
    length = len(payload)
    head = bytes([0x80 | opcode])
    head += bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + struct.pack(">H", length)
    stream.sendall(head + bytes(4) + payload)


def subscribe(address, buffer_bytes=None):
    """A client of the simulated exchange, which has asked for everything that Binance streams there."""
    stream = socket.socket()
    if buffer_bytes:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    stream.settimeout(PATIENCE_S)
    stream.connect(address)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET /stream HTTP/1.1\r\nHost: {address[0]}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    send_frame(stream, 1, json.dumps({"method": "SUBSCRIBE", "params": STREAMS, "id": 1}).encode())
    return stream


def read_subscription(address, stop, counts, index):
    """Reads messages, answers pings, and counts."""
    stream = subscribe(address)
    reader = stream.makefile("rb", 1 << 16)
    while reader.readline() != b"\r\n":
        pass
    while not stop.is_set():
        first, second = reader.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", reader.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", reader.read(8))
        payload = reader.read(length)
        if first & 0x0F == 9:
            send_frame(stream, 10, payload)
        elif first & 0x0F == 8:
            return
        counts[index] += 1


def request(endpoint, tool, arguments):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    body = json.dumps(call)
    return (
        f"POST /mcp HTTP/1.1\r\nHost: {endpoint['address']}\r\nAuthorization: Bearer {endpoint['bearer']}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def connect(endpoint):
    host, port = endpoint["address"].rsplit(":", 1)
    return socket.create_connection((host, int(port)), PATIENCE_S)


def answer(reader):
    """The structured content of one answer."""
    length = 0
    assert b" 200 " in (line := reader.readline()), line
    while (line := reader.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return json.loads(reader.read(length))["result"]["structuredContent"]


def read_tools(endpoint, stop, counts, index):
    """Asks for a book twenty times a second."""
    stream = connect(endpoint)
    reader = stream.makefile("rb")
    while not stop.is_set():
        stream.sendall(request(endpoint, "get_depth", {"instrument": "BINANCE:BTCUSDT", "levels": 50}))
        answer(reader)
        counts[index] += 1
        time.sleep(0.05)


def status(endpoint):
    stream = connect(endpoint)
    stream.sendall(request(endpoint, "get_status", {}))
    return answer(stream.makefile("rb"))


def stalled_tools(endpoint, stop):
    """Asks for more and more, and never reads an answer: until the socket takes no more."""
    stream = connect(endpoint)
    stream.settimeout(0.2)
    one = request(endpoint, "get_depth", {"instrument": "BINANCE:BTCUSDT", "levels": 50})
    while not stop.is_set():
        try:
            stream.sendall(one)
        except TimeoutError:
            continue
        except OSError:
            return


def resident_mib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024


def scrape(endpoint, name):
    stream = connect(endpoint)
    stream.sendall(
        f"GET /metrics HTTP/1.1\r\nHost: {endpoint['address']}\r\nAuthorization: Bearer {endpoint['bearer']}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    text = stream.makefile("rb").read().decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def unsent_bytes(stream):
    """What the other end of a connection on this machine has written and could not send yet."""
    ours, theirs = (f":{port:04X}" for port in (stream.getsockname()[1], stream.getpeername()[1]))
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if local.endswith(theirs) and remote.endswith(ours):
            return int(queues.split(":")[0], 16)
    return None


def run_beside(endpoint, exchange, pid, seconds):
    """Lets everybody read, or not, for so long. Returns how many messages and answers the slowest reader had,
    what the stalled one left unread, the engine's size before and at most in MiB, and its last status."""
    time.sleep(WARM_UP_S)
    before = peak = resident_mib(pid)
    stop = threading.Event()
    messages, answers = [0] * HEALTHY, [0] * HEALTHY
    jobs = [(read_subscription, (exchange, stop, messages, index)) for index in range(HEALTHY)]
    jobs += [(read_tools, (endpoint, stop, answers, index)) for index in range(HEALTHY)]
    jobs.append((stalled_tools, (endpoint, stop)))
    stalled = subscribe(exchange, STALLED_BUFFER_BYTES)
    for job, arguments in jobs:
        threading.Thread(target=job, args=arguments, daemon=True).start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peak = max(peak, resident_mib(pid))
        time.sleep(0.1)
    last = status(endpoint)
    full = scrape(endpoint, "tidegate_recorder_full_total")
    unread = unsent_bytes(stalled)
    stop.set()
    return min(messages), min(answers), unread, before, peak, last, full


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        tidegate = [options.tidegate, "--data", data]
        serve = [*tidegate, "serve", "--listen", "127.0.0.1:0", "--rate", str(RATE_PERCENT)]
        process = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        try:
            banner = "".join(process.stdout.readline() for _ in range(4))
            host, port = re.search(r"simulated exchange at ws://([^:]+):(\d+)/", banner).groups()
            endpoint = json.loads((pathlib.Path(data) / "run/endpoint.json").read_text())
            messages, answers, unread, before, peak, last, full = run_beside(
                endpoint, (host, int(port)), process.pid, options.seconds
            )
            process.send_signal(signal.SIGINT)
            check("Ctrl-C ends it in order", process.wait(PATIENCE_S), 0, process.returncode == 0)
        finally:
            process.kill()
            process.wait()
        tape = pathlib.Path(data) / "sim/tape"
        written = int((tape / "written_seq").read_text())
        replayed = subprocess.run([*tidegate, "replay", "--json", str(tape)], capture_output=True, text=True, check=True)
        tape = json.loads(replayed.stdout)
    print(f"{options.seconds} s at {RATE_PERCENT} % of the usual pace: {last['events']} events before the end")
    unread = "sent away" if unread is None else f"{unread} bytes wait for it"
    print(f"the stalled subscriber: {unread}")
    check("messages to the slowest healthy subscriber", messages, "more than 0", messages > 0)
    check("answers to the slowest healthy reader of tools", answers, "more than 0", answers > 0)
    check("inputs on the tape, of those up to written_seq", tape["frames"], written, tape["frames"] == written)
    check("events on the tape", tape["events"], f"at least {last['events']}", tape["events"] >= last["events"])
    check("times that the recorder was full", int(full), 0, full == 0)
    check("gaps on the tape", tape["gaps"], 0, tape["gaps"] == 0)
    growth = peak - before
    check("growth in MiB", f"{growth:.1f}, from {before:.1f}", GROWTH_MIB_MAX, growth <= GROWTH_MIB_MAX)
    sys.exit(1 if failed else 0)


main()

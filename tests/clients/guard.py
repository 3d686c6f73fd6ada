"""Tries to get something out of the MCP endpoint that it must not give.

    python guard.py --url http://127.0.0.1:8765/mcp --bearer tg_…

Directly, and through a default nginx, which the script starts on loopback in a temporary folder. "Nothing"
means: no 2xx, no JSON-RPC result, and the bearer in no answer. Exit status 1 if anything got through.
"""

import argparse
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_status", "arguments": {}}}).encode()
IDLE_CONNECTIONS = 500
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://{target}; {extra} }}
  }}
}}
"""

passed = failed = 0


def check(name, is_right, seen=""):
    """Prints one line and counts it."""
    global passed, failed
    passed, failed = passed + bool(is_right), failed + (not is_right)
    print(f"{'ok  ' if is_right else 'FAIL'} {name}" + ("" if is_right else f": {str(seen)[:600]}"), flush=True)


class Target:
    """Where raw requests go, and what a correct one looks like."""

    def __init__(self, host, port, path, bearer, named_port=None):
        self.address, self.path, self.bearer = (host, port), path, bearer
        self.authority = f"{host}:{named_port or port}"

    def head(self, *, target=None, version="1.1", host=True, bearer=True, extra=(), length=len(CALL)):
        lines = [f"POST {target or self.path} HTTP/{version}"]
        lines += [f"Host: {self.authority if host is True else host}"] if host else []
        lines += [f"Authorization: Bearer {self.bearer}"] if bearer else []
        lines += ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
        lines += [f"Content-Length: {length}"] if length is not None else []
        lines += ["Connection: close", *extra]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, request, timeout=10.0):
        """The whole answer to raw bytes; empty where the connection just ends."""
        answer = b""
        with socket.create_connection(self.address, timeout=timeout) as connection:
            try:
                connection.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                pass  # Refused before all of it was sent; the answer may still be there.
            try:
                while chunk := connection.recv(65536):
                    answer += chunk
                    if len(answer) > 1 << 20:
                        break
            except (TimeoutError, ConnectionResetError):
                pass
        return answer


def status_of(answer):
    words = answer.split(b"\r\n", 1)[0].split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def gave(answer):
    return status_of(answer) == 200 and b'"result"' in answer and b'"feeds_live"' in answer


def nothing(name, target, answer, statuses=None):
    is_nothing = not 200 <= status_of(answer) < 300 and b'"result"' not in answer
    is_silent = target.bearer.encode() not in answer
    fits = statuses is None or status_of(answer) in statuses
    check(f"nothing: {name}", is_nothing and is_silent and fits, answer)


def attempt(name, to, statuses, body=CALL, **head):
    nothing(name, to, to.send(to.head(**head) + body), statuses)


def check_direct(target):
    check("a correct call succeeds", gave(target.send(target.head() + CALL)))
    for spelling in ("authorization: bearer ", "AUTHORIZATION: BEARER "):
        answer = target.send(target.head(bearer=False, extra=[spelling + target.bearer]) + CALL)
        check(f"a correct call succeeds: {spelling.strip()}", gave(answer), answer)
    port = target.address[1]
    for name in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}"):
        answer = target.send(target.head(host=name) + CALL)
        check(f"a correct call succeeds: Host {name}", gave(answer), answer)
    answer = target.send(target.head(extra=[f"Origin: http://localhost:{port}"]) + CALL)
    check("a correct call succeeds: own Origin", gave(answer), answer)
    health = target.send(f"GET /healthz HTTP/1.1\r\nHost: {target.authority}\r\nConnection: close\r\n\r\n".encode())
    check("/healthz says only ok", status_of(health) == 200 and health.endswith(b"\r\n\r\nok"), health)


def check_bearer(target):
    bearer, no = target.bearer, {"bearer": False}
    attempt("no bearer", target, {401}, **no)
    answer = target.send(target.head(**no) + CALL)
    lines = [line.strip().lower() for line in answer.split(b"\r\n")]
    check("a refusal names the scheme", b"www-authenticate: bearer" in lines, answer)
    check("a refusal says what to do, on one line", b'"message":' in answer and b"\n" not in answer.split(b"\r\n\r\n", 1)[1], answer)
    for name, value in {
        "empty": "",
        "the scheme alone": "Bearer",
        "without scheme": bearer,
        "Basic": f"Basic {bearer}",
        "one letter short": f"Bearer {bearer[:-1]}",
        "one letter more": f"Bearer {bearer}0",
        "in capitals": f"Bearer {bearer.upper()}",
        "another one": "Bearer tg_" + "0" * 64,
        "a list": f"Bearer {bearer}, Bearer {bearer}",
        "two blanks": f"Bearer  {bearer}",
    }.items():
        attempt(f"bearer {name}", target, {401}, extra=[f"Authorization: {value}"], **no)
    attempt("two bearers, one right", target, {401}, extra=["Authorization: Bearer wrong"])
    attempt("the right bearer twice", target, {401}, extra=[f"Authorization: Bearer {bearer}"])
    for query in ("access_token", "token", "bearer", "authorization"):
        attempt(f"bearer in the query as {query}", target, {401}, target=f"{target.path}?{query}={bearer}", **no)
    attempt("bearer in a cookie", target, {401}, extra=[f"Cookie: bearer={bearer}"], **no)
    attempt("bearer in Proxy-Authorization", target, {401, 403}, extra=[f"Proxy-Authorization: Bearer {bearer}"], **no)
    attempt("bearer as X-Authorization", target, {401}, extra=[f"X-Authorization: Bearer {bearer}"], **no)
    attempt("bearer on a continued line", target, {400, 401}, extra=["Authorization: Bearer", f" {bearer}"], **no)
    attempt("another path below", target, {401, 404}, target=f"{target.path}/x", **no)
    for path in ("/mcp%2f", "//mcp", "/MCP", "/healthz/../mcp", "/healthz", "/"):
        attempt(f"POST {path}", target, {400, 401, 404, 405}, target=path, **no)
    for method in ("GET", "DELETE", "OPTIONS", "HEAD", "TRACE", "PUT"):
        head = target.head(length=0, **no).replace(b"POST", method.encode(), 1)
        nothing(f"{method} without bearer", target, target.send(head), {401})


def check_addressing(target):
    port = target.address[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"0.0.0.0:{port}",
                 f"127.0.0.1:{port}.evil.example", f"localhost.:{port}", f"user@127.0.0.1:{port}", f"127.0.0.1:0{port}",
                 f"127.1:{port}", f"2130706433:{port}", f"::1:{port}", " "):
        attempt(f"Host {host!r}", target, {400, 403}, host=host)
    attempt("two Host headers, both right", target, {400, 403}, extra=[f"Host: {target.authority}"])
    attempt("two Host headers, the second foreign", target, {400, 403}, extra=["Host: evil.example"])
    attempt("two Host headers, the first foreign", target, {400, 403}, host="evil.example", extra=[f"Host: {target.authority}"])
    attempt("HTTP/1.1 without Host", target, {400, 403}, host=None)
    attempt("HTTP/1.0 without Host", target, {400, 403}, host=None, version="1.0")
    attempt("absolute target, foreign authority", target, {400, 403}, target=f"http://evil.example:{port}{target.path}")
    attempt("absolute target, foreign scheme and authority", target, {400, 403}, target=f"https://evil.example{target.path}")
    answer = target.send(target.head(target=f"http://{target.authority}{target.path}") + CALL)
    check("absolute target, own authority succeeds", gave(answer), answer)
    for origin in ("http://evil.example", f"https://127.0.0.1:{port}", "http://127.0.0.1", f"http://127.0.0.1:{port + 1}",
                   f"http://127.0.0.1:{port}.evil.example", f"http://127.0.0.1:{port}/", f"http://user@127.0.0.1:{port}",
                   "null", "", "file://", "chrome-extension://abc"):
        attempt(f"Origin {origin!r}", target, {403}, extra=[f"Origin: {origin}"])
    attempt("two Origins, one right", target, {403}, extra=[f"Origin: http://{target.authority}", "Origin: http://evil.example"])
    for header in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
                   "X-Forwarded-Server", "X-Forwarded-User", "X-Real-IP", "Via", "CF-Connecting-IP", "True-Client-IP",
                   "Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Original-Forwarded-For",
                   "Forwarded-For", "X-Remote-Addr", "X-Originating-IP", "X-ProxyUser-Ip", "WL-Proxy-Client-IP",
                   "X-Azure-ClientIP", "Fly-Client-IP", "CDN-Loop", "X-Envoy-External-Address", "Client_IP"):
        for name in (header, header.lower(), header.upper()):
            attempt(f"header {name}", target, {403}, extra=[f"{name}: 127.0.0.1"])
        attempt(f"header {header}, empty", target, {403}, extra=[f"{header}:"])


def check_bodies(target):
    big = 10 << 20
    started = time.monotonic()
    attempt("10 MB, announced", target, {413}, body=b"x" * big, length=big)
    chunked = b"%x\r\n" % big + b"x" * big + b"\r\n0\r\n\r\n"
    attempt("10 MB, in chunks", target, {413}, body=chunked, length=None, extra=["Transfer-Encoding: chunked"])
    attempt("10 MB without bearer", target, {401}, body=b"x" * big, length=big, bearer=False)
    check("10 MB take no time", time.monotonic() - started < 10, time.monotonic() - started)
    attempt("a shorter body than announced, then the end", target, None, body=CALL[:20], length=20)
    answer = target.send(target.head(length=len(CALL) + 100) + CALL, timeout=2)
    nothing("a shorter body than announced, held open", target, answer, {0, 408})
    attempt("a negative length", target, {400}, length=-1)
    attempt("a length that is no number", target, {400}, length="0x10")
    attempt("two lengths", target, {400}, extra=["Content-Length: 5"])
    smuggled = target.head(length=None, bearer=False, extra=[f"Content-Length: {len(CALL)}", "Transfer-Encoding: chunked"])
    nothing("length and chunks without bearer", target, target.send(smuggled + b"0\r\n\r\n" + target.head() + CALL), {400, 401})
    inner = target.head() + CALL
    outer = target.head(bearer=False, length=len(inner)).replace(b"Connection: close\r\n", b"")
    answer = target.send(outer + inner, timeout=2)
    nothing("a correct call inside a refused body is no call", target, answer, {401})
    huge = target.send(target.head(extra=["X-Big: " + "x" * 200_000]) + CALL)
    nothing("200 kB of headers", target, huge, {0, 400, 431})
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", CALL[:-1], b"[" * 100_000):
        attempt(f"a body of {body[:12]!r}, {len(body)} bytes", target, range(400, 500), body=body, length=len(body))
    for number, bodies in {
        -32700: (b"", b"{", b"\xff\xfe", CALL[:-1], b"[" * 100_000, b'{"a":1}x'),
        -32600: (b"[]", b"null", b"1", b"{}", b"[%s]" % CALL, *(CALL.replace(b'"id": 1', b'"id": %s' % id) for id in
                 (b"1.5", b"1.0", b"null", b"true", b"[1]", b"{}", b"1e3", b"18446744073709551615"))),
    }.items():
        for body in bodies:
            answer = target.send(target.head(length=len(body)) + body)
            try:
                said = json.loads(answer.split(b"\r\n\r\n", 1)[1])
            except (IndexError, ValueError):
                said = {}
            check(f"a body of {body[:60]!r} is {number}", said.get("error", {}).get("code") == number, answer)
    for accept in ("*/*", "application/*", "text/html, */*;q=0.5", "application/json, text/*", ""):
        head = target.head().replace(b"Accept: application/json, text/event-stream\r\n", f"Accept: {accept}\r\n".encode())
        check(f"Accept: {accept}", gave(answer := target.send(head + CALL)), answer)
    head = target.head().replace(b"Accept: application/json, text/event-stream\r\n", b"")
    check("no Accept", gave(answer := target.send(head + CALL)), answer)
    head = target.head().replace(b"application/json, text/event-stream", b"text/html")
    check("Accept: text/html", status_of(answer := target.send(head + CALL)) == 406, answer)


def check_idle(target):
    """Idle connections may slow the server down for seconds; they may not stop it."""
    def idle(_):
        try:
            return socket.create_connection(target.address, timeout=5)
        except OSError:
            return None

    with ThreadPoolExecutor(50) as pool:
        held = [connection for connection in pool.map(idle, range(IDLE_CONNECTIONS)) if connection]
    try:
        started = time.monotonic()
        answer = target.send(target.head() + CALL, timeout=20)
        took = time.monotonic() - started
        check(f"a correct call succeeds beside {len(held)} idle connections ({took:.1f} s)", gave(answer), answer)
        deadline = time.monotonic() + 20
        for connection in held:
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                is_closed = connection.recv(1) == b""
            except ConnectionResetError:
                is_closed = True
            except TimeoutError:
                is_closed = False
            if not is_closed:
                break
        check("idle connections are closed in time", is_closed, f"after {time.monotonic() - started:.0f} s one is open")
    finally:
        for connection in held:
            connection.close()
    slow = socket.create_connection(target.address, timeout=60)
    with slow:
        slow.sendall(b"POST /mcp HTTP/1.1\r\n")
        started = time.monotonic()
        answer = slow.recv(65536)
        took = time.monotonic() - started
        nothing(f"half a header is given up ({took:.0f} s)", target, answer, {0, 408})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check_nginx(target, extra, is_bearer_tried):
    binary = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not binary:
        check("nginx is installed (Debian: nginx-light)", False, "not found")
        return
    label = extra or "default"
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = pathlib.Path(folder, "nginx.conf")
        config.write_text(NGINX.format(folder=folder, port=port, target="%s:%d" % target.address, extra=extra))
        # nginx opens its built-in log path before it reads the file; -e keeps it in our folder.
        nginx = subprocess.Popen([binary, "-p", folder, "-c", str(config), "-e", f"{folder}/error.log"], stderr=subprocess.DEVNULL)
        try:
            front = Target("127.0.0.1", port, target.path, target.bearer)
            for _ in range(50):
                try:
                    is_up = b"ok" in front.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                except ConnectionRefusedError:
                    is_up = False
                if is_up:
                    break
                time.sleep(0.1)
            check(f"nginx ({label}) reaches the server", is_up)
            for host in (True, "evil.example"):
                attempt(f"through nginx ({label}) without bearer, Host {host}", front, {401, 403}, bearer=False, host=host)
            attempt(f"through nginx ({label}), foreign Origin", front, {403}, extra=["Origin: https://evil.example"])
            if is_bearer_tried:
                attempt(f"through nginx ({label}) with the bearer", front, {403})
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--bearer", required=True)
    options = parser.parse_args()
    url = urlsplit(options.url)
    target = Target(url.hostname, url.port, url.path, options.bearer)
    check_direct(target)
    check_bearer(target)
    check_addressing(target)
    check_bodies(target)
    # A default nginx names no client and rewrites Host, so only the bearer stands between it and the
    # engine; whoever holds the bearer through it could as well connect directly.
    check_nginx(target, "", is_bearer_tried=False)
    for header in ("X-Forwarded-For $proxy_add_x_forwarded_for", "X-Real-IP $remote_addr", "Forwarded for=$remote_addr", "Via 1.1"):
        check_nginx(target, f"proxy_set_header {header};", is_bearer_tried=True)
    check_nginx(target, "proxy_set_header Host $host;", is_bearer_tried=True)
    check_idle(target)
    check("a correct call still succeeds", gave(target.send(target.head() + CALL)))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

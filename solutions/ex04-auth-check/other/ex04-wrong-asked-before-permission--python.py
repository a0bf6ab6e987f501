"""The weather is asked while auth still thinks, in Python.

Standard library only. Right in every other point of the contract, in another language.
"""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

PORT = int(os.environ.get("PORT", "8080"))
AUTH = os.environ.get("AUTH_URL", "http://127.0.0.1:7002/auth")
WEATHER = os.environ.get("WEATHER_URL", "http://127.0.0.1:7001/weather")
DISCOVERY = os.environ.get("DISCOVERY_URL")
LIMIT = int(os.environ.get("UPSTREAM_TIMEOUT_MS", "2000")) / 1000


class Refusal(Exception):
    def __init__(self, status, why):
        super().__init__(why)
        self.status = status


def get(url):
    """A whole body with status 200 in time, or a refusal."""
    try:
        return exchange(urlsplit(url), time.monotonic() + LIMIT)
    except TimeoutError as late:
        raise Refusal(504, "that took too long") from late
    except (OSError, ValueError, IndexError) as broken:
        raise Refusal(502, f"{url} failed: {broken}") from broken


def exchange(url, deadline):
    """HTTP/1.0, so that the end of the body is the end of the connection or of its length."""
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    answer = b""
    with socket.create_connection((url.hostname, url.port or 80), timeout=LIMIT) as service:
        head = f"GET {target} HTTP/1.0\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
        service.sendall(head.encode())
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            service.settimeout(left)
            piece = service.recv(65536)
            answer += piece
            head, end, body = answer.partition(b"\r\n\r\n")
            length = length_of(head) if end else None
            if end and length is not None and len(body) >= length:
                break
            if not piece:
                if not end or length is not None:
                    raise OSError("broken off")
                break
    status = int(head.split(b" ", 2)[1])
    if status != 200:
        raise OSError(f"status {status}")
    return body[:length].decode("utf-8", "replace")


def length_of(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return None


def find():
    if DISCOVERY is None:
        return AUTH, WEATHER
    try:
        known = json.loads(get(DISCOVERY.rstrip("/") + "/services"))
        return known["auth"], known["weather"]
    except (ValueError, KeyError, TypeError) as unknown:
        raise Refusal(502, "discovery does not know them") from unknown


def today(query):
    key = parse_qs(query).get("key", [""])[0]
    if not key:
        raise Refusal(401, "which key?")
    auth, weather = find()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(get, f"{auth}?{urlencode({'key': key})}")
        ahead = pool.submit(get, weather.rstrip("/") + "/today")
    verdict = asked.result().strip()
    if verdict == "0":
        raise Refusal(403, "not with this key")
    if verdict != "1":
        raise Refusal(502, "auth mumbles")
    try:
        found = json.loads(ahead.result())
        return f"Today it's {found['temperature']} in {found['city']}"
    except (ValueError, KeyError, TypeError) as incomplete:
        raise Refusal(502, "the weather is not whole") from incomplete


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        target = urlsplit(self.path)
        try:
            if target.path == "/healthz":
                self.answer(200, "ok")
            elif target.path == "/weather/today":
                self.answer(200, today(target.query))
            else:
                self.answer(404, "ask for /weather/today")
        except Refusal as refusal:
            self.answer(refusal.status, str(refusal))

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


Server(("127.0.0.1", PORT), Handler).serve_forever()

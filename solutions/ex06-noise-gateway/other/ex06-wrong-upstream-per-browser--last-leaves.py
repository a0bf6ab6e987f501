"""The connection to the parent ends when the last browser leaves, in Python.

Standard library only. Right in every other point of the contract, in another language.
"""

import asyncio
import base64
import hashlib
import json
import os
import random
import socket
import struct
from urllib.parse import urlsplit

PORT = int(os.environ.get("PORT", "8080"))
PARENT = urlsplit(os.environ.get("PARENT_WS", "ws://127.0.0.1:7003/broadcast"))
LIMIT = int(os.environ.get("UPSTREAM_TIMEOUT_MS", "2000")) / 1000
FIRST_WAIT = int(os.environ.get("RECONNECT_MS", "500")) / 1000
LONGEST_MESSAGE = 1 << 20
CLOSING = 5  # seconds for a goodbye
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

newest = {}  # room → the number of its newest report, and the frame that tells of it
reports = 0
followers = set()  # an event for each reader, set when there is something new


def report(name, value):
    global reports
    reports += 1
    newest[name] = reports, json.dumps({"name": name, "value": value}).encode()
    for news in followers:
        news.set()


class Peer:
    """One end of a WebSocket; `masks` at the client's end."""

    def __init__(self, reader, writer, masks=False):
        self.reader, self.writer, self.masks = reader, writer, masks
        self.carried = False
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.transport.set_write_buffer_limits(high=0)  # drain: all is on its way

    def put(self, opcode, payload):
        length, bit = len(payload), 0x80 if self.masks else 0
        if length < 126:
            head = bytes([0x80 | opcode, bit | length])
        elif length < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, bit | 126, length)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, bit | 127, length)
        if self.masks:
            mask = os.urandom(4)
            head, payload = head + mask, xor(payload, mask)
        self.writer.write(head + payload)

    async def frame(self):
        """Whether it is the last of its message, its kind, and what it carries."""
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        if first & 0x70 or bool(second & 0x80) == self.masks or length > LONGEST_MESSAGE:
            raise ValueError("not a frame for us")
        mask = await self.reader.readexactly(4) if second & 0x80 else None
        payload = await self.reader.readexactly(length)
        return bool(first & 0x80), first & 0x0F, xor(payload, mask) if mask else payload

    async def listen(self, take):
        """Hands every text to `take`, until a close frame comes, and answers that."""
        kind, message = None, b""
        while True:
            last, opcode, payload = await self.frame()
            if opcode == CLOSE:
                self.put(CLOSE, payload[:2])
                return
            if opcode == PING:
                self.put(PONG, payload)
                await self.writer.drain()
            elif opcode != PONG:
                kind, message = kind or opcode, message + payload
                if len(message) > LONGEST_MESSAGE:
                    raise ValueError("too long")
                if last:
                    self.carried = True
                    if kind == TEXT:
                        take(message)
                    kind, message = None, b""
                    await asyncio.sleep(0)  # now it is the readers' turn

    async def follow(self):
        """Sends every room's level, and again what changes, at this reader's pace."""
        sent, news = {}, asyncio.Event()
        followers.add(news)
        try:
            while True:
                news.clear()
                for name in [name for name in newest if sent.get(name) != newest[name][0]]:
                    number, frame = newest[name]
                    self.put(TEXT, frame)
                    await self.writer.drain()
                    sent[name] = number
                    self.carried = True
                await news.wait()
        finally:
            followers.discard(news)

    async def talk(self, take):
        """Both at once, until either ends; then a goodbye."""
        tasks = [asyncio.create_task(self.listen(take)), asyncio.create_task(self.follow())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(self.writer.drain(), CLOSING)
        except (OSError, TimeoutError):
            self.writer.transport.abort()


def xor(payload, mask):
    length = len(payload)
    pad = (mask * (length // 4 + 1))[:length]
    plain = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return plain.to_bytes(length, "big")


def take_level(message):
    try:
        level = json.loads(message, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return
    if isinstance(level, dict):
        name, value = level.get("name"), level.get("value")
        if isinstance(name, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
            report(name, value)


async def connect():
    reader, writer = await asyncio.open_connection(PARENT.hostname, PARENT.port or 80)
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        target = (PARENT.path or "/") + (f"?{PARENT.query}" if PARENT.query else "")
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {PARENT.netloc}\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ")[1] != b"101":
            raise OSError("the parent does not want to")
        return Peer(reader, writer, masks=True)
    except BaseException:
        writer.transport.abort()
        raise


async def keep_parent_informed():
    wait = FIRST_WAIT
    while True:
        try:
            parent = await asyncio.wait_for(connect(), LIMIT)
        except (OSError, EOFError, LookupError, TimeoutError, asyncio.LimitOverrunError):
            pass
        else:
            t = asyncio.create_task(parent.talk(lambda message: None))
            seen = False
            while not t.done():
                await asyncio.sleep(0.01)
                seen = seen or len(followers) > 1
                if seen and len(followers) <= 1:
                    t.cancel()
                    await asyncio.gather(t, return_exceptions=True)
            parent.writer.close()
            if parent.carried:
                wait = FIRST_WAIT
        await asyncio.sleep(wait * random.uniform(0.5, 1))
        wait = min(wait * 2, FIRST_WAIT * 64)


async def answer(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    path = urlsplit(head[0].split(" ")[1]).path
    key = next((line.split(":", 1)[1].strip() for line in head
                if line.lower().startswith("sec-websocket-key:")), None)
    if path == "/websocket" and key:
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        await Peer(reader, writer).talk(take_level)
        return
    status, kind, body = "404 Not Found", "text/plain", b""
    if path == "/healthz":
        status, body = "200 OK", b"ok"
    elif path == "/":
        status, kind, body = "200 OK", "text/html; charset=utf-8", PAGE
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode() + body
    )
    await writer.drain()


async def serve(reader, writer):
    try:
        await answer(reader, writer)
    except (OSError, EOFError, ValueError, LookupError, asyncio.LimitOverrunError):
        pass  # whoever it was is gone, or was not clear
    finally:
        writer.close()


GIVEN = os.path.join(
    "/tmp/fool/exercises/", "ex06-noise-gateway/page.html"
)
try:
    with open(GIVEN, "rb") as page:
        PAGE = page.read()
except OSError:
    PAGE = b"<!doctype html><title>The page is elsewhere</title>"


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    parent = asyncio.create_task(keep_parent_informed())
    async with server:
        await asyncio.gather(parent, server.serve_forever())


asyncio.run(main())

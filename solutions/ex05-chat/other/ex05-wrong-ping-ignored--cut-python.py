"""A pong holds no more than 16 bytes of the ping that it answers, in Python.

Standard library only.
"""

import asyncio
import base64
import collections
import hashlib
import json
import os
import socket
import struct
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("PORT", "8080"))
LONGEST_FRAME = 64 * 1024
BACKLOG = 256  # messages that wait for one reader
PATIENCE = 30  # seconds for a reader that does not read at all
CLOSING = 5  # seconds for a goodbye
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

rooms = {}  # name → the members


class Ending(Exception):
    """Why a connection ends: with a close frame of ours, or without one."""

    def __init__(self, payload=None):
        self.payload = payload


def code(number):
    return struct.pack(">H", number)


class Member:
    def __init__(self, name, reader, writer):
        self.name, self.reader, self.writer = name, reader, writer
        self.waiting = collections.deque()
        self.missed = 0
        self.news = asyncio.Event()

    def offer(self, message):
        """Never waits: where there is no room, the oldest message is missed."""
        self.waiting.append(message)
        if len(self.waiting) > BACKLOG:
            self.waiting.popleft()
            self.missed += 1
        self.news.set()

    async def deliver(self):
        while True:
            await self.news.wait()
            if self.missed:
                message = json.dumps({"missed": self.missed}).encode()
                self.missed = 0
            elif self.waiting:
                message = self.waiting.popleft()
            else:
                self.news.clear()
                continue
            await self.send(TEXT, message)

    async def send(self, opcode, payload):
        self.put(opcode, payload)
        if self.writer.transport.get_write_buffer_size():
            try:
                await asyncio.wait_for(self.writer.drain(), PATIENCE)
            except TimeoutError:
                raise Ending(code(1008)) from None

    def put(self, opcode, payload):
        length = len(payload)
        if length < 126:
            head = bytes([0x80 | opcode, length])
        elif length < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, 126, length)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, length)
        self.writer.write(head + payload)

    async def frame(self):
        """Whether it is the last of its message, its kind, and what it carries."""
        first, second = await self.reader.readexactly(2)
        if first & 0x70 or not second & 0x80:
            raise Ending(code(1002))
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        if length > LONGEST_FRAME:
            raise Ending(code(1009))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(length)
        pad = (mask * (length // 4 + 1))[:length]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
        return bool(first & 0x80), first & 0x0F, plain.to_bytes(length, "big")

    async def listen(self, room):
        kind, message = None, b""
        while True:
            last, opcode, payload = await self.frame()
            if opcode == CLOSE:
                raise Ending(payload[:2])
            if opcode == PING:
                await self.send(PONG, payload[:16])
            elif opcode == PONG:
                pass
            elif opcode > BINARY or (opcode == 0) != (kind is not None):
                raise Ending(code(1002))
            else:
                kind, message = kind or opcode, message + payload
                if len(message) > LONGEST_FRAME:
                    raise Ending(code(1009))
                if last:
                    self.say(room, kind, message)
                    kind, message = None, b""
                    await asyncio.sleep(0)  # now it is the readers' turn

    def say(self, room, kind, message):
        try:
            said = json.loads(message) if kind == TEXT else None
        except UnicodeDecodeError:
            raise Ending(code(1007)) from None
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and isinstance(said.get("text"), str):
            message = json.dumps({"from": self.name, "text": said["text"]}).encode()
            for member in rooms[room]:
                member.offer(message)
        else:
            self.offer(json.dumps({"error": 'expected {"text": "…"}'}).encode())

    async def goodbye(self, payload):
        """Sends the close frame, and reads on for a while, so that it arrives."""
        self.put(CLOSE, payload)
        self.writer.write_eof()
        await self.writer.drain()
        while await self.reader.read(1 << 16):
            pass


async def converse(member, room):
    rooms.setdefault(room, set()).add(member)
    tasks = [asyncio.create_task(member.listen(room)), asyncio.create_task(member.deliver())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        rooms[room].discard(member)
        if not rooms[room]:
            del rooms[room]
    for end in ends:
        if isinstance(end, Ending):
            await asyncio.wait_for(member.goodbye(end.payload), CLOSING)


async def answer(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = dict(line.lower().split(":", 1) for line in head[1:] if ":" in line)
    url = urlsplit(target)
    seat = {name: values[0] for name, values in parse_qs(url.query).items()}

    status, kind, body = "404 Not Found", "text/plain", ""
    if url.path == "/healthz":
        status, body = "200 OK", "ok"
    elif url.path == "/":
        status, kind, body = "200 OK", "text/html; charset=utf-8", PAGE
    elif url.path == "/ws":
        key = next((line.split(":", 1)[1].strip() for line in head
                    if line.lower().startswith("sec-websocket-key:")), None)
        if seat.get("room") and seat.get("name") and key and "upgrade" in headers:
            accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
            writer.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
            )
            await converse(Member(seat["name"], reader, writer), seat["room"])
            return
        status, body = "400 Bad Request", "a room and a name, please"
    body = body.encode()
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode() + body
    )
    await writer.drain()


async def serve(reader, writer):
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer.transport.set_write_buffer_limits(high=1 << 16)
    try:
        await answer(reader, writer)
    except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError):
        pass  # whoever it was is gone, or was not clear
    finally:
        if writer.transport.get_write_buffer_size():
            writer.transport.abort()
        else:
            writer.close()


GIVEN = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../../exercises/ex05-chat/page.html"
)
try:
    with open(GIVEN, encoding="utf-8") as page:
        PAGE = page.read()
except OSError:
    PAGE = "<!doctype html><title>The page is elsewhere</title>"


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())

"""Discovery proxy, in Python. Wrong: it takes segments of one dot out of the path.

Standard library only. All else is right.
"""

import asyncio
import contextlib
import json
import os
import re
from urllib.parse import urlsplit

PORT = int(os.environ.get("PORT", "8080"))
LIMIT = int(os.environ.get("UPSTREAM_TIMEOUT_MS", "2000")) / 1000
PIECE = 64 * 1024
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}

services = {}


class Fault(Exception):
    """What the client is told where there is no answer to pass on."""

    def __init__(self, status, why):
        super().__init__(why)
        self.status = status


class Head:
    """A start line and its headers, as they came."""

    def __init__(self, text):
        self.start, *lines = text.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        self.headers = [(name.strip(), value.strip()) for name, _, value in pairs]

    def all(self, wanted):
        values = (value for name, value in self.headers if name.lower() == wanted)
        return [part.strip().lower() for value in values for part in value.split(",")]

    def end_to_end(self, *others):
        dropped = HOP_BY_HOP | set(self.all("connection")) | set(others)
        return [(name, value) for name, value in self.headers if name.lower() not in dropped]

    def framing(self, otherwise):
        if "chunked" in self.all("transfer-encoding"):
            return "chunked"
        lengths = self.all("content-length")
        return int(lengths[0]) if lengths else otherwise


async def read_head(reader):
    return Head(await reader.readuntil(b"\r\n\r\n"))


async def pieces(reader, framing):
    """The body, piece by piece. One that breaks off raises."""
    if framing == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            async for piece in pieces(reader, size):
                yield piece
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    elif framing == "until closed":
        while piece := await reader.read(PIECE):
            yield piece
    else:
        while framing:
            piece = await reader.read(min(PIECE, framing))
            if not piece:
                raise ConnectionError("broken off")
            framing -= len(piece)
            yield piece


def head_bytes(start, headers, streamed=False):
    """The framing of what we send is our own."""
    if streamed:
        headers = [pair for pair in headers if pair[0].lower() != "content-length"]
        headers.append(("Transfer-Encoding", "chunked"))
    lines = [start, *(f"{name}: {value}" for name, value in headers), "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def pass_on(reader, framing, writer, moved=lambda: None):
    chunked = not isinstance(framing, int)
    async for piece in pieces(reader, framing):
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        moved()
        await writer.drain()
        moved()
    if chunked:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def send(writer, status, body=b"", kind="text/plain"):
    headers = [] if status.startswith("204") else [("Content-Type", kind), ("Content-Length", len(body))]
    writer.write(head_bytes(f"HTTP/1.1 {status}", headers) + body)
    await writer.drain()


def is_service_url(text):
    try:
        url = urlsplit(text)
        url.port  # raises where it is none
    except ValueError:
        return False
    plain = re.fullmatch(r"[!-~]+", text) and not url.query and not url.fragment
    return bool(plain and url.scheme == "http" and url.hostname)


async def directory(method, name, head, reader, writer):
    if method == "GET" and not name:
        await send(writer, "200 OK", json.dumps(services).encode(), "application/json")
    elif method == "PUT" and name:
        body = b"".join([piece async for piece in pieces(reader, head.framing(0))])
        url = body.decode("utf-8", "replace").strip()
        if not is_service_url(url):
            raise Fault("400 Bad Request", "send a URL as http://host:port/path")
        services[name] = url
        await send(writer, "204 No Content")
    elif method == "DELETE" and name:
        services.pop(name, None)
        await send(writer, "204 No Content")
    else:
        raise Fault("405 Method Not Allowed", "PUT, DELETE, or GET for all")


async def forward(method, rest, head, reader, writer):
    name, slash, rest = rest.partition("/")
    if not slash or name not in services:
        raise Fault("404 Not Found", "no such service")
    url = urlsplit(services[name])
    rest = rest.replace("/./","/").removeprefix("./")
    start = f"{method} {url.path.rstrip('/')}/{rest} HTTP/1.1"
    async with failing():
        async with asyncio.timeout(LIMIT):
            answers, service = await asyncio.open_connection(url.hostname, url.port or 80)

    clock = asyncio.timeout(LIMIT)

    def moved():
        if clock.when() and not answered.is_set():
            clock.reschedule(asyncio.get_running_loop().time() + LIMIT)

    answered = asyncio.Event()

    async def upload():
        """Ends when the client has gone. A service that stops reading may still answer."""
        if "100-continue" in head.all("expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        framing = head.framing(otherwise=0)
        headers = [*head.end_to_end("host"), ("Host", url.netloc)]
        service.write(head_bytes(start, headers, streamed=framing == "chunked"))
        try:
            await pass_on(reader, framing, service, moved)
        except (EOFError, ValueError):
            return
        except OSError:
            if reader.exception():
                return
        while await reader.read(PIECE):
            pass

    async def download():
        async with failing():
            async with clock:
                answer, status = await read_answer(answers)
                answered.set()
        framing = answer.framing(otherwise="until closed")
        bodiless = method == "HEAD" or status in (204, 304)
        streamed = not bodiless and not isinstance(framing, int)
        writer.write(head_bytes(f"HTTP/1.1 {answer.start[9:]}", answer.end_to_end(), streamed))
        if not bodiless:
            await pass_on(answers, framing, writer)
        await writer.drain()

    tasks = [asyncio.create_task(download()), asyncio.create_task(upload())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        service.transport.abort()


@contextlib.asynccontextmanager
async def failing():
    """Until the head is there, a fault can be told."""
    try:
        yield
    except TimeoutError as late:
        raise Fault("504 Gateway Timeout", "the service took too long") from late
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as broken:
        raise Fault("502 Bad Gateway", f"the service failed: {broken}") from broken


async def read_answer(answers):
    while True:
        answer = await read_head(answers)
        if not re.match(r"HTTP/1\.[01] [1-9][0-9][0-9]\b", answer.start):
            raise ValueError("no HTTP")
        status = int(answer.start[9:12])
        if status >= 200:
            return answer, status


async def answer_one(reader, writer):
    head = await read_head(reader)
    method, target, _ = head.start.split(" ")
    target = re.sub("^http://[^/]*", "", target, flags=re.IGNORECASE)
    path = target.partition("?")[0]
    try:
        if path == "/healthz":
            await send(writer, "200 OK", b"ok")
        elif target.startswith("/proxy/"):
            await forward(method, target.removeprefix("/proxy/"), head, reader, writer)
        elif path == "/services":
            await directory(method, "", head, reader, writer)
        elif path.startswith("/services/"):
            await directory(method, path.removeprefix("/services/"), head, reader, writer)
        else:
            raise Fault("404 Not Found", "ask for /proxy/{name}/{path}")
    except Fault as fault:
        await send(writer, fault.status, str(fault).encode())


async def serve(reader, writer):
    try:
        await answer_one(reader, writer)
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as broken:
        print("lost a client:", broken)
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=128)
    async with server:
        await server.serve_forever()


asyncio.run(main())

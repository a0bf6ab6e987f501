"""Right: a 103 (Early Hints) goes out before every answer, the one of /healthz too.

Standard library only. An interim answer is none: whoever asks reads on until the final one.
"""

import asyncio
import json
import os
from urllib.parse import urlsplit

PORT = int(os.environ.get("PORT", "8080"))
WEATHER = urlsplit(os.environ.get("WEATHER_URL", "http://127.0.0.1:7001/weather"))
LIMIT = int(os.environ.get("UPSTREAM_TIMEOUT_MS", "2000")) / 1000
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"


async def weather(day):
    reader, writer = await asyncio.open_connection(WEATHER.hostname, WEATHER.port)
    try:
        target = f"{WEATHER.path}/{day}"
        head = f"GET {target} HTTP/1.1\r\nHost: {WEATHER.netloc}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        status = int((await reader.readline()).split()[1])
        length = 0
        while line := (await reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if status != 200:
            raise OSError(f"the weather said {status}")
        return json.loads(await reader.readexactly(length))
    finally:
        writer.close()


async def fetch():
    today = await weather("today")
    return f"Today it's {today['temperature']} in {today['city']}"


async def answer(path):
    if path == "/healthz":
        return "200 OK", "ok"
    if path != "/today":
        return "404 Not Found", "ask for /today"
    try:
        async with asyncio.timeout(LIMIT):
            return "200 OK", await fetch()
    except TimeoutError:
        return "504 Gateway Timeout", "the weather took too long"
    except Exception as fault:
        return "502 Bad Gateway", str(fault)


async def serve(reader, writer):
    try:
        request = (await reader.readline()).split()
        while (await reader.readline()).strip():
            pass
        writer.write(HINTS)
        await writer.drain()
        status, body = await answer(request[1].decode() if len(request) > 1 else "")
        body = body.encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())

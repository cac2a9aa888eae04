# SPDX-License-Identifier: Apache-2.0
"""Requests with a mark each, many in flight on connections that stay open."""

import asyncio
import os
from itertools import count, takewhile


async def _requests(port, path, numbers):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        writer.write(
            f"GET /{path}/{number}?token=S3CRETQUERY HTTP/1.1\r\nHost: x\r\n"
            f"X-Mark: ZID{number}Z\r\n"
            "Cookie: session=S3CRETCOOKIE\r\nAuthorization: Bearer S3CRETTOKEN\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        if b"content-length:" in head:
            size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(size)
        else:
            body = await reader.readuntil(b"0\r\n\r\n")
        assert f"ZID{number}Z".encode() in body, (number, body)
    writer.close()


async def _run(port, path, flight, count, first):
    numbers = iter(range(first, first + count))
    await asyncio.gather(*(_requests(port, path, numbers) for _ in range(flight)))


def load(port, path, flight, count, first):
    """`count` requests for PATH/N, N counted from `first`, `flight` at a time."""
    asyncio.run(_run(port, path, flight, count, first))
    return count


def loads(port, paths, flight, count, first, step):
    """load() of each path, with numbers that are `step` apart."""
    for i, path in enumerate(paths):
        load(port, path, flight, count, first + i * step)


def load_while(port, path, flight, file):
    """As load(), as long as the file is there; how many requests it was."""
    done = count()
    numbers = takewhile(lambda _: os.path.exists(file), done)

    async def run():
        await asyncio.gather(*(_requests(port, path, numbers) for _ in range(flight)))

    asyncio.run(run())
    return next(done)


async def _fail(port, path, count, first):
    for number in range(first, first + count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /{path}/{number} HTTP/1.1", "Host: x", "Connection: close"
        writer.write("\r\n".join((*head, "", "")).encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 500")
        writer.close()


def fail(port, path, count, first):
    """`count` requests that must fail, one after the other."""
    asyncio.run(_fail(port, path, count, first))
    return count

# SPDX-License-Identifier: Apache-2.0
"""tasks.py with nothing but the standard library. Arguments: its port, and that of an echo."""

import asyncio
import socket
import sys
import threading

PORT, ECHO = map(int, sys.argv[1:])
POOL = 8
open_here = threading.local()


def ask_waiting(mark):
    if not hasattr(open_here, "file"):
        open_here.file = socket.create_connection(("127.0.0.1", ECHO)).makefile("rwb")
    open_here.file.write(f"{mark}\n".encode())
    open_here.file.flush()
    assert open_here.file.readline().decode().strip() == mark


class Service:
    async def ask(self, mark):
        reader, writer = await self.pool.get()
        writer.write(f"{mark}\n".encode())
        assert (await reader.readline()).decode().strip() == mark
        self.pool.put_nowait((reader, writer))

    async def answer(self, way, mark):
        if way == "gather":
            await asyncio.gather(self.ask(mark), self.ask(mark))
        elif way == "tothread":
            await asyncio.to_thread(ask_waiting, mark)
        elif way == "executor":
            await asyncio.get_running_loop().run_in_executor(None, ask_waiting, mark)
        else:
            await self.ask(mark)

    async def request(self, writer, way, mark):
        await self.answer(way, mark)
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(mark)}\r\n\r\n{mark}".encode()
        )

    async def connection(self, reader, writer):
        try:
            while True:
                line = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                way, number = line.partition("?")[0].strip("/").split("/")
                await asyncio.create_task(self.request(writer, way, f"ZID{number}Z"))
        except asyncio.IncompleteReadError:
            writer.close()

    async def echo(self, reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def run(self):
        await asyncio.start_server(self.echo, "127.0.0.1", ECHO)
        self.pool = asyncio.Queue()
        for _ in range(POOL):
            self.pool.put_nowait(await asyncio.open_connection("127.0.0.1", ECHO))
        async with await asyncio.start_server(self.connection, "127.0.0.1", PORT) as server:
            await server.serve_forever()


asyncio.run(Service().run())

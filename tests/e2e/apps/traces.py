# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service whose work for request N tells N by the choice of commands and statements
(tests/e2e/lib/traces.py), in every way that work moves between contexts and threads. MW=1: below a
BaseHTTPMiddleware. NEXT: the port of another such service, asked by /next. INTERPRETERS: with some
more in the process, from 3.14 on."""

import asyncio
import contextvars
import os
import sys
import threading
from concurrent import futures
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psycopg
import redis
import redis.asyncio
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.traces import commands_of, statements_of

POSTGRES, REDIS = os.environ["TASKS_POSTGRES"], int(os.environ["TASKS_REDIS"])
open_here = threading.local()
idle = []
if "INTERPRETERS" in os.environ:
    others = futures.InterpreterPoolExecutor(2)
    list(others.map(abs, range(4)))


@asynccontextmanager
async def lifespan(app):
    app.pool = await asyncpg.create_pool(POSTGRES, min_size=20, max_size=20)
    app.redis = redis.asyncio.Redis(port=REDIS, max_connections=1000)
    app.sync_redis = redis.Redis(port=REDIS)
    url = POSTGRES.split("://")[1].split("?")[0]
    app.engine = create_async_engine(f"postgresql+asyncpg://{url}", pool_size=20)
    app.sync_engines = [
        create_engine(f"postgresql+{driver}://{url}", pool_size=20)
        for driver in ("psycopg2", "psycopg")
    ]
    for engine in app.sync_engines:  # which asks what the server can do, for nobody
        engine.connect().close()
    async with app.engine.connect():
        pass
    yield


app = FastAPI(lifespan=lifespan)


async def command(name):
    await app.redis.execute_command(name, "key")


async def statement(text):
    async with app.pool.acquire() as connection:
        await connection.execute(text)


async def ask(number):
    for name in commands_of(number):
        await command(name)
    for text in statements_of(number).values():
        await statement(text)


def work(number):
    """The same in a thread, by drivers that wait."""
    if not hasattr(open_here, "connection"):
        open_here.connection = psycopg.connect(POSTGRES, autocommit=True)
    for name in commands_of(number):
        app.sync_redis.execute_command(name, "key")
    with open_here.connection.cursor() as cursor:
        for text in statements_of(number).values():
            cursor.execute(text)


@app.get("/async/{number}")
async def plain(number: int):
    await ask(number)
    return f"ZID{number}Z"


@app.get("/sync/{number}")
def sync(number: int):
    work(number)
    return f"ZID{number}Z"


@app.get("/tothread/{number}")
async def to_thread(number: int):
    await asyncio.to_thread(work, number)
    return f"ZID{number}Z"


@app.get("/executor/{number}")
async def executor(number: int):
    await asyncio.get_running_loop().run_in_executor(None, work, number)
    return f"ZID{number}Z"


@app.get("/empty/{number}")
async def empty(number: int):
    """Beside contexts that are copies of none, at addresses that others just had: nobody's."""
    await asyncio.gather(*map(command, commands_of(number)))
    for context in contextvars.Context(), contextvars.copy_context().copy():
        await asyncio.get_running_loop().create_task(command("GET"), context=context)
    for text in statements_of(number).values():
        await statement(text)
    return f"ZID{number}Z"


@app.get("/interpreters/{number}")
async def interpreters(number: int):
    """Beside other interpreters, which do something, too."""
    await asyncio.get_running_loop().run_in_executor(others, abs, number)
    await ask(number)
    return f"ZID{number}Z"


@app.get("/gather/{number}")
async def gather(number: int):
    await asyncio.gather(
        *map(command, commands_of(number)), *map(statement, statements_of(number).values())
    )
    return f"ZID{number}Z"


@app.get("/alchemy/{number}")
async def alchemy(number: int):
    async with app.engine.connect() as connection:
        for text in statements_of(number).values():
            await connection.exec_driver_sql(text)
    for name in commands_of(number):
        await command(name)
    return f"ZID{number}Z"


@app.get("/alchemysync/{number}")
def alchemy_sync(number: int):
    """By psycopg2 and psycopg in turn."""
    with app.sync_engines[number % 2].connect() as connection:
        for text in statements_of(number).values():
            connection.exec_driver_sql(text)
    for name in commands_of(number):
        app.sync_redis.execute_command(name, "key")
    return f"ZID{number}Z"


@app.get("/stream/{number}")
async def stream(number: int):
    async def parts():
        yield "begin"
        await ask(number)
        yield f"ZID{number}Z"

    return StreamingResponse(parts())


def dependency(number: int):
    work(number)


NEEDED = Depends(dependency)


@app.get("/depends/{number}")
async def depends(number: int, _: None = NEEDED):
    return f"ZID{number}Z"


async def later(number):
    await asyncio.sleep(0.01)
    await ask(number)


@app.get("/background/{number}")
async def background(number: int, tasks: BackgroundTasks):
    tasks.add_task(later, number)
    return f"ZID{number}Z"


@app.get("/next/{number}")
async def ask_next(number: int):
    """On connections that stay open, as clients' pools have them."""
    port = int(os.environ["NEXT"])
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /async/{number}?token=S3CRETQUERY HTTP/1.1\r\nHost: inner\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"200 OK" in head
    await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    idle.append((reader, writer))
    return f"ZID{number}Z"


@app.get("/fail/{number}")
async def fail(number: int):
    raise RuntimeError("fail")


if os.environ.get("MW"):

    @app.middleware("http")
    async def middleware(request, call_next):
        response = await call_next(request)
        response.headers["x-seen"] = "1"
        return response

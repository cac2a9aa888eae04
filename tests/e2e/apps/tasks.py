# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service in which each query carries the mark of the request that it is made for, in
every way that work moves between contexts and threads. MW=1: below a BaseHTTPMiddleware."""

import asyncio
import os
import threading
from contextlib import asynccontextmanager

import asyncpg
import psycopg
import redis
import redis.asyncio
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

POSTGRES, REDIS = os.environ["TASKS_POSTGRES"], int(os.environ["TASKS_REDIS"])
STATEMENT = "select {0}::int as zid{0}, pg_sleep(0.003), 'ZID{0}Z' as mark"
open_here = threading.local()


@asynccontextmanager
async def lifespan(app):
    app.pool = await asyncpg.create_pool(POSTGRES, min_size=20, max_size=20)
    app.redis = redis.asyncio.Redis(port=REDIS, max_connections=200)
    app.sync_redis = redis.Redis(port=REDIS)
    url = POSTGRES.replace("postgresql://", "postgresql+asyncpg://").split("?")[0]
    app.engine = create_async_engine(url, pool_size=20)
    yield


app = FastAPI(lifespan=lifespan)


async def query(number):
    async with app.pool.acquire() as connection:
        return (await connection.fetchrow(STATEMENT.format(number)))[0]


async def command(number):
    await app.redis.get(f"key:ZID{number}Z")


def work(number):
    """The same in a thread, by drivers that wait."""
    if not hasattr(open_here, "connection"):
        open_here.connection = psycopg.connect(POSTGRES, autocommit=True)
    open_here.connection.execute(STATEMENT.format(number)).fetchone()
    app.sync_redis.get(f"key:ZID{number}Z")


@app.get("/async/{number}")
async def plain(number: int):
    await query(number)
    await command(number)
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


@app.get("/gather/{number}")
async def gather(number: int):
    await asyncio.gather(query(number), command(number), query(number))
    return f"ZID{number}Z"


@app.get("/alchemy/{number}")
async def alchemy(number: int):
    async with app.engine.connect() as connection:
        await connection.execute(text(STATEMENT.format(number).replace("::int", "")))
    return f"ZID{number}Z"


@app.get("/stream/{number}")
async def stream(number: int):
    await query(number)

    async def parts():
        await command(number)
        yield f"ZID{number}Z"
        await query(number)
        yield "end"

    return StreamingResponse(parts())


def dependency(number: int):
    app.sync_redis.get(f"key:ZID{number}Z")


NEEDED = Depends(dependency)


@app.get("/depends/{number}")
async def depends(number: int, _: None = NEEDED):
    return await plain(number)


@app.get("/background/{number}")
async def background(number: int, tasks: BackgroundTasks):
    await command(number)
    tasks.add_task(query, number)
    return f"ZID{number}Z"


if os.environ.get("MW"):

    @app.middleware("http")
    async def middleware(request, call_next):
        response = await call_next(request)
        response.headers["x-seen"] = "1"
        return response

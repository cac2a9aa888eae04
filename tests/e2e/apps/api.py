# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service: handlers that sleep, both kinds, and the usual routes."""

import asyncio
import time

from fastapi import FastAPI, HTTPException, Request

app = FastAPI()


@app.get("/hello")
async def hello():
    return {"hello": "world"}


@app.get("/items/{item}")
async def get_item(item: int):
    if item > 1000:
        raise HTTPException(404, "no such item")
    return {"id": item}


@app.post("/items", status_code=201)
async def post_item(request: Request):
    return {"size": len(await request.body())}


@app.get("/sleep")
async def sleep():
    await asyncio.sleep(0.05)
    return {}


@app.get("/sleep-sync")
def sleep_sync():
    time.sleep(0.05)
    return {}


@app.get("/block")
async def block():
    """What no handler should do: everybody else waits in the socket."""
    time.sleep(0.05)
    return {}


@app.get("/boom")
async def boom():
    raise RuntimeError("boom")

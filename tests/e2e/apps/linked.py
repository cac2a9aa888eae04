# SPDX-License-Identifier: Apache-2.0
"""A FastAPI service that asks another one (NEXT: its base URL) for /leaf/N, on a connection of its
own each time, by the clients that programs use. With SOCKET the other one listens there."""

import asyncio
import os

import aiohttp
import httpx
import requests
from fastapi import FastAPI

NEXT, SOCKET = os.environ.get("NEXT"), os.environ.get("SOCKET")
app = FastAPI()


def right(text, number):
    assert text == f'"ZID{number}Z"', (text, number)
    return f"ZID{number}Z"


@app.get("/leaf/{number}")
async def leaf(number: int):
    return f"ZID{number}Z"


@app.get("/slow/{number}")
async def slow(number: int):
    await asyncio.sleep(1)
    return f"ZID{number}Z"


@app.get("/requests/{number}")
def by_requests(number: int):
    return right(requests.get(f"{NEXT}/leaf/{number}").text, number)


@app.get("/httpx/{number}")
def by_httpx(number: int):
    return right(httpx.get(f"{NEXT}/leaf/{number}", verify=False).text, number)


@app.get("/httpx-async/{number}")
async def by_httpx_async(number: int):
    transport = httpx.AsyncHTTPTransport(uds=SOCKET, verify=False)
    async with httpx.AsyncClient(transport=transport) as client:
        return right((await client.get(f"{NEXT}/leaf/{number}")).text, number)


@app.get("/aiohttp/{number}")
async def by_aiohttp(number: int):
    connector = aiohttp.UnixConnector(SOCKET) if SOCKET else None
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{NEXT}/leaf/{number}") as answer,
    ):
        return right(await answer.text(), number)


@app.get("/close/{number}")
def closing(number: int):
    """The server closes, and the answer may end there."""
    headers = {"Connection": "close"}
    return right(requests.get(f"{NEXT}/leaf/{number}", headers=headers).text, number)


@app.get("/impatient/{number}")
def impatient(number: int):
    """It does not wait for the answer."""
    try:
        requests.get(f"{NEXT}/slow/{number}", timeout=0.2)
    except requests.Timeout:
        return f"ZID{number}Z"
    raise AssertionError("answered in time")

# SPDX-License-Identifier: Apache-2.0
"""A travel-booking service as many teams run one: FastAPI, PostgreSQL through asyncpg, Redis as
cache, session store and rate limiter. Nothing in it knows that it is being watched.

Environment: DATABASE_URL, REDIS_URL, RATE_LIMIT (requests per client in ten seconds).
"""

import asyncio
import hashlib
import hmac
import json
import os
import secrets
from contextlib import asynccontextmanager

import asyncpg
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from redis.asyncio import Redis

CACHE_SECONDS = 5
SESSION_SECONDS = 600
WINDOW_SECONDS = 10
RATE_LIMIT = int(os.environ.get("RATE_LIMIT", "200"))


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.database = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=2, max_size=10
    )
    app.state.redis = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    yield
    await app.state.redis.aclose()
    await app.state.database.close()


app = FastAPI(title="Travels", lifespan=lifespan)


class Login(BaseModel):
    email: str
    password: str


class NewBooking(BaseModel):
    travel_id: int
    seats: int = Field(default=1, ge=1, le=8)


@app.middleware("http")
async def limit_rate(request: Request, call_next):
    """At most RATE_LIMIT requests of a client in a window of ten seconds, then 429."""
    if request.url.path == "/health":
        return await call_next(request)
    client = request.headers.get("x-client-id") or request.client.host
    key = f"rate:{client}"
    async with app.state.redis.pipeline(transaction=True) as pipe:
        count, _ = await pipe.incr(key).expire(key, WINDOW_SECONDS, nx=True).execute()
    if count > RATE_LIMIT:
        return JSONResponse(
            {"detail": "too many requests"}, 429, {"Retry-After": str(WINDOW_SECONDS)}
        )
    return await call_next(request)


def verify(password: str, stored: str) -> bool:
    salt, digest = stored.split("$")
    offered = hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), 2000)
    return hmac.compare_digest(offered.hex(), digest)


async def user_of(authorization: str = Header(default="")) -> int:
    """The user of the bearer token; 401 without a valid one."""
    scheme, _, token = authorization.partition(" ")
    user = await app.state.redis.get(f"session:{token}") if scheme == "Bearer" else None
    if user is None:
        raise HTTPException(401, "no valid token")
    return int(user)


@app.get("/health")
async def health():
    await app.state.database.fetchval("SELECT 1")
    await app.state.redis.ping()
    return {"status": "ok"}


@app.post("/api/auth/login")
async def login(body: Login):
    row = await app.state.database.fetchrow(
        "SELECT id, password FROM users WHERE email = $1", body.email
    )
    if row is None or not await asyncio.to_thread(verify, body.password, row["password"]):
        raise HTTPException(401, "wrong email or password")
    token = secrets.token_urlsafe(32)
    await app.state.redis.set(f"session:{token}", row["id"], ex=SESSION_SECONDS)
    return {"access_token": token, "token_type": "bearer"}


def travel_json(row: asyncpg.Record) -> dict:
    return dict(row) | {"departs": row["departs"].isoformat(), "price": float(row["price"])}


@app.get("/api/travels")
async def list_travels(origin: str | None = None, limit: int = 20):
    key = f"travels:{origin or '*'}:{limit}"
    cached = await app.state.redis.get(key)
    if cached is not None:
        return json.loads(cached)
    rows = await app.state.database.fetch(
        "SELECT id, origin, destination, departs, price, seats FROM travels"
        " WHERE $1::text IS NULL OR origin = $1 ORDER BY departs LIMIT $2",
        origin,
        min(limit, 100),
    )
    travels = [travel_json(row) for row in rows]
    await app.state.redis.set(key, json.dumps(travels), ex=CACHE_SECONDS)
    return travels


@app.get("/api/travels/{travel_id}")
async def get_travel(travel_id: int):
    key = f"travel:{travel_id}"
    cached = await app.state.redis.get(key)
    if cached is not None:
        return json.loads(cached)
    row = await app.state.database.fetchrow(
        "SELECT id, origin, destination, departs, price, seats FROM travels WHERE id = $1",
        travel_id,
    )
    if row is None:
        raise HTTPException(404, "no such travel")
    travel = travel_json(row)
    await app.state.redis.set(key, json.dumps(travel), ex=CACHE_SECONDS)
    return travel


@app.post("/api/bookings", status_code=201)
async def create_booking(body: NewBooking, user: int = Depends(user_of)):
    async with app.state.database.acquire() as connection, connection.transaction():
        seats = await connection.fetchval(
            "SELECT seats FROM travels WHERE id = $1 FOR UPDATE", body.travel_id
        )
        if seats is None:
            raise HTTPException(404, "no such travel")
        if seats < body.seats:
            raise HTTPException(409, "not enough seats left")
        await connection.execute(
            "UPDATE travels SET seats = seats - $2 WHERE id = $1", body.travel_id, body.seats
        )
        booking = await connection.fetchval(
            "INSERT INTO bookings (user_id, travel_id, seats) VALUES ($1, $2, $3) RETURNING id",
            user,
            body.travel_id,
            body.seats,
        )
    await app.state.redis.delete(f"travel:{body.travel_id}")
    return {"id": booking, "travel_id": body.travel_id, "seats": body.seats}


@app.get("/api/bookings")
async def list_bookings(user: int = Depends(user_of)):
    rows = await app.state.database.fetch(
        "SELECT id, travel_id, seats, created FROM bookings WHERE user_id = $1"
        " ORDER BY id DESC LIMIT 20",
        user,
    )
    return [dict(row) for row in rows]


@app.get("/api/bookings/{booking_id}")
async def get_booking(booking_id: int, user: int = Depends(user_of)):
    row = await app.state.database.fetchrow(
        "SELECT id, travel_id, seats, created FROM bookings WHERE id = $1 AND user_id = $2",
        booking_id,
        user,
    )
    if row is None:
        raise HTTPException(404, "no such booking")
    return dict(row)


@app.delete("/api/bookings/{booking_id}", status_code=204)
async def cancel_booking(booking_id: int, user: int = Depends(user_of)):
    async with app.state.database.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "DELETE FROM bookings WHERE id = $1 AND user_id = $2 RETURNING travel_id, seats",
            booking_id,
            user,
        )
        if row is None:
            raise HTTPException(404, "no such booking")
        await connection.execute(
            "UPDATE travels SET seats = seats + $2 WHERE id = $1", row["travel_id"], row["seats"]
        )
    await app.state.redis.delete(f"travel:{row['travel_id']}")

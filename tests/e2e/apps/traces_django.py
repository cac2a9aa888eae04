# SPDX-License-Identifier: Apache-2.0
"""lib/traces.py's work by Django: `application` for WSGI, `asgi` for ASGI, both with a view that
waits and one that is a coroutine."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import django
import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpResponse
from django.urls import path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.traces import commands_of, statements_of

POSTGRES, REDIS = urlsplit(os.environ["TASKS_POSTGRES"]), int(os.environ["TASKS_REDIS"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x",
    ROOT_URLCONF=__name__,
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": POSTGRES.username,
        "HOST": POSTGRES.hostname, "PORT": POSTGRES.port, "OPTIONS": {"sslmode": "disable"},
    }},
)  # fmt: skip
django.setup()

cache = redis.Redis(port=REDIS)


def query(number):
    with connection.cursor() as cursor:
        for text in statements_of(number).values():
            cursor.execute(text)


def waits(request, number):
    for name in commands_of(number):
        cache.execute_command(name, "key")
    query(number)
    return HttpResponse(f"ZID{number}Z")


async def awaits(request, number):
    async with redis.asyncio.Redis(port=REDIS) as client:  # below WSGI each has a loop of its own
        for name in commands_of(number):
            await client.execute_command(name, "key")
    await sync_to_async(query)(number)
    return HttpResponse(f"ZID{number}Z")


urlpatterns = [path("django/<int:number>", waits), path("djangoasync/<int:number>", awaits)]
application, asgi = WSGIHandler(), ASGIHandler()

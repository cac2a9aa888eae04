# SPDX-License-Identifier: Apache-2.0
"""lib/traces.py's work by Flask, psycopg2 and redis-py: for servers with threads."""

import os
import sys
import threading
from pathlib import Path

import psycopg2
import redis
from flask import Flask

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.traces import commands_of, statements_of

app = Flask(__name__)
cache = redis.Redis(port=int(os.environ["TASKS_REDIS"]))
open_here = threading.local()


@app.get("/wsgi/<int:number>")
def wsgi(number):
    if not hasattr(open_here, "connection"):
        open_here.connection = psycopg2.connect(os.environ["TASKS_POSTGRES"])
        open_here.connection.autocommit = True
    for name in commands_of(number):
        cache.execute_command(name, "key")
    with open_here.connection.cursor() as cursor:
        for text in statements_of(number).values():
            cursor.execute(text)
    return f"ZID{number}Z"

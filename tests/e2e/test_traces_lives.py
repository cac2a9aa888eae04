# SPDX-License-Identifier: Apache-2.0
"""What traces cost the programs that are traced: nothing, whenever they or the observer end."""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from lib.observer import sanitized
from lib.process import wait_until
from lib.traced import config

SECONDS = int(os.environ.get("LIVES_SECONDS", "10"))
RATE = 50
# Of the observer's processor time, for each process that begins and ends: looking into it once
# takes a millisecond or two.
CPU_MOST = 0.02

# Half of them are programs of their own, half are forks of one that waits for them: each asks Redis
# from tasks, a third of them long enough to be followed.
LIVES = """
import asyncio, json, os, sys, time

ASK = '''
import asyncio, sys
async def one():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"PING\\\\r\\\\n")
    assert await reader.readline() == b"+PONG\\\\r\\\\n"
    writer.close()
async def main():
    await one()
    await asyncio.sleep(float(sys.argv[2]))
    await asyncio.gather(*(one() for _ in range(3)))
'''
exec(ASK)

def begin(number):
    seconds = number % 3 * 0.15
    if number % 2:
        words = [sys.executable, "-S", "-E", "-c", ASK + "asyncio.run(main())", sys.argv[1],
                 str(seconds)]
        return os.posix_spawn(sys.executable, words, os.environ)
    pid = os.fork()
    if pid == 0:
        sys.argv[2] = seconds
        try:
            asyncio.run(main())
        finally:
            os._exit(sys.exc_info()[0] is not None)
    return pid

asked, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
start, begun, statuses = time.monotonic(), 0, {}
living = set()
while True:
    now = time.monotonic() - start
    if now < seconds and begun < now * rate and len(living) < 64:
        living.add(begin(begun))
        begun += 1
        continue
    while living:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            break
        living.remove(pid)
        statuses[status] = statuses.get(status, 0) + 1
    if now >= seconds and not living:
        break
    time.sleep(0.002)
print(json.dumps(statuses))
"""

# Says every 50 ms what the first bytes of the probed function are.
WATCHED = """
import asyncio, ctypes, sys
function = ctypes.cast(ctypes.pythonapi.PyContext_CopyCurrent, ctypes.c_void_p).value

async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    while True:
        writer.write(b"PING\\r\\n")
        assert await reader.readline() == b"+PONG\\r\\n"
        print(ctypes.string_at(function, 64).hex(), flush=True)
        await asyncio.create_task(asyncio.sleep(0.05))

asyncio.run(main())
"""


def descriptors(pid):
    """Without its connections: that to the receiver may stay open."""
    count = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += not os.readlink(path).startswith("socket:")
    return count


def test_short_lives(bed, redis, start_observer, receiver):
    """Each one ends as it should, and nothing of them stays."""
    observer = start_observer(config(bed, receiver) | {"log_level": "debug"})
    before, cpu = descriptors(observer.process.pid), cpu_seconds(observer)
    begin = time.monotonic()
    command = [sys.executable, "-S", "-c", LIVES, redis.port, SECONDS, RATE]
    statuses = json.loads(bed.run(command, timeout=SECONDS + 60))
    seconds, count = time.monotonic() - begin, sum(statuses.values())
    spent = cpu_seconds(observer) - cpu
    print(f"\n{count} processes, {count / seconds:.0f} a second, of the observer's processor"
          f" {1000 * spent / count:.2f} ms for each")  # fmt: skip
    assert set(statuses) == {"0"}, statuses
    assert observer.log_text().count("CPython, state at") > count / 50
    assert count > SECONDS * RATE / 4
    assert sanitized() or spent / count < CPU_MOST
    wait_until(lambda: descriptors(observer.process.pid) <= before, what="the end of descriptors")
    observer.stop()


def cpu_seconds(observer):
    return observer.scrape().total("process_cpu_seconds_total")


def code(process):
    return process.log_text().split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_probes_go(bed, redis, start_observer, receiver, number):
    """A program that was there before is followed, and as it was once the observer has gone."""
    name = f"lives-watched-{number.name}"
    with bed.start(name, [sys.executable, "-c", WATCHED, redis.port]) as process:
        process.wait_for(lambda: process.log_text().count("\n") > 2)
        untouched = code(process)
        observer = start_observer(config(bed, receiver))
        process.wait_for(lambda: code(process) != untouched)
        assert "cc" in code(process)
        observer.stop(number)
        process.wait_for(lambda: code(process) == untouched)
        lines = process.log_text().count("\n")
        process.wait_for(lambda: process.log_text().count("\n") > lines + 5)

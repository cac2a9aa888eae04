# SPDX-License-Identifier: Apache-2.0
"""What the scripts beside the tests fetch from registries."""

import subprocess
from pathlib import Path

import pytest

from .process import HERE

NOT_THERE = 3


def fetched(script, *words):
    """The folder that the script prints; without what it fetches the test is skipped."""
    done = subprocess.run([HERE / script, *words], stdout=subprocess.PIPE, text=True)
    if done.returncode == NOT_THERE:
        pytest.skip(f"{' '.join([script, *words])}: cannot be had")
    assert done.returncode == 0
    return Path(done.stdout.strip())

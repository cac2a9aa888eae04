# SPDX-License-Identifier: Apache-2.0
"""A client that is led by lines (lib/stepped.py, Led): each is [MODULE.FUNCTION, arguments...] of
this folder; answered by what it returns, and how many connections were made for it by pair()."""

import importlib
import json
import sys

import ends


def main():
    for line in sys.stdin:
        name, *args = json.loads(line)
        module, function = name.split(".")
        ends.made = 0
        result = getattr(importlib.import_module(module), function)(*args)
        print(json.dumps([result, ends.made]), flush=True)


if __name__ == "__main__":
    main()

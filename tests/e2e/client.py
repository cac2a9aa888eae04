# SPDX-License-Identifier: Apache-2.0
"""The client process of the tests: runs MODULE.FUNCTION of clients/ with JSON arguments, prints
what it returns as JSON. The observer calls it "client.py"."""

import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "clients"))


def main():
    module, function = sys.argv[1].split(".")
    result = getattr(importlib.import_module(module), function)(*json.loads(sys.argv[2]))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

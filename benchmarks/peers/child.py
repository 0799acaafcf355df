"""The process of one contender: ``python -m benchmarks.peers.child KIND OPTIONS``.

Loads ``benchmarks.peers.MODULE`` (a name with dots is taken as it is) and makes its class with
the options; then every line of standard input calls one of its methods. Out: ``{"result"}``
or ``{"failed"}`` with a sentence. The end of the input ends it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, BinaryIO


def say(out: BinaryIO, **message: Any) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()


def main() -> int:
    kind, options = sys.argv[1], json.loads(sys.argv[2])
    # Libraries print; the pipe must carry nothing but messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    module, _, name = kind.partition(":")
    try:
        place = module if "." in module else f"benchmarks.peers.{module}"
        made = getattr(importlib.import_module(place), name)
        contender = made(**options)
        say(out, result=contender.facts())
    except Exception as error:
        say(out, failed=f"{type(error).__name__}: {error}"[:400])
        return 1
    for line in sys.stdin:
        message = json.loads(line)
        try:
            result = getattr(contender, message.pop("call"))(**message)
        except Exception as error:
            say(out, failed=f"{type(error).__name__}: {error}"[:400])
            return 1
        say(out, result=result)
    return 0


if __name__ == "__main__":
    # Threads of native libraries may outlive the interpreter's own end; nothing is left to do.
    code = main()
    sys.stdout.flush()
    os._exit(code)

"""``python -m benchmarks [--quick] [--out FOLDER]``: every speed table, one after the other.

About 25 minutes on two cores with nothing else running, 2 of them once for the peers' own
models. Each is a process of its own, so that
none measures what another has left in memory, and one that fails does not end the rest.
"""

from __future__ import annotations

import subprocess
import sys

COMMANDS = ("encoders", "decoders", "application", "serving")


def main(arguments: list[str]) -> int:
    """The number of benchmarks that failed."""
    failed = [name for name in COMMANDS if subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

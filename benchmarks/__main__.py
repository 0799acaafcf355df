"""``python -m benchmarks``: every table of the README, one after the other."""

from __future__ import annotations

from benchmarks import serving

if __name__ == "__main__":
    serving.main()

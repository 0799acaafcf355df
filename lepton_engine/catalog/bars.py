"""Progress on a terminal: one bar that redraws itself, or a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from lepton_engine.catalog.progress import Progress, megabytes

_WIDTH = 28
_STEP = 10  # percent between two lines where nobody watches


class Bar:
    """A report (see progress.Report) that draws to a stream."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._said = -_STEP
        self._open = False

    def __call__(self, progress: Progress) -> None:
        if progress.stage == "download":
            self._draw(progress)
        elif progress.stage in ("space", "wait"):
            self.line(progress.detail)
            self._started, self._said = time.monotonic(), -_STEP
        elif progress.stage == "unpack" and progress.total > 50_000_000:
            self.line(f"Putting {progress.detail} together ({megabytes(progress.total)}).")
        elif progress.stage == "convert" and not progress.total:
            self.line(f"Converting {progress.detail}.")

    def line(self, text: str) -> None:
        """A line of its own, after the bar."""
        self.close()
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """End the line of the bar, if one is drawn."""
        if self._open:
            print(file=self._stream, flush=True)
            self._open = False

    def _draw(self, progress: Progress) -> None:
        text = self.text(progress, time.monotonic() - self._started)
        percent = 100 * progress.done // progress.total if progress.total else 0
        if self._live:
            print(f"\r{text:<90}", end="", file=self._stream, flush=True)
            self._open = True
        elif percent >= self._said + _STEP:
            self._said = percent - percent % _STEP
            print(text, file=self._stream, flush=True)

    @staticmethod
    def text(progress: Progress, seconds: float) -> str:
        """``minilm-l6 [####----]  45 %  37.5 MB of 83.5 MB, 12.1 MB/s, 4 s left``."""
        done, total = progress.done, progress.total
        speed = done / seconds if seconds > 0.5 else 0.0
        rate = f", {megabytes(int(speed))}/s" if speed else ""
        if not total:
            return f"{progress.detail}: {megabytes(done)}{rate}"
        filled = _WIDTH * done // total
        left = f", {(total - done) / speed:.0f} s left" if speed and done < total else ""
        return (f"{progress.detail} [{'#' * filled}{'-' * (_WIDTH - filled)}] "
                f"{100 * done // total:3d} %  {megabytes(done)} of {megabytes(total)}{rate}{left}")

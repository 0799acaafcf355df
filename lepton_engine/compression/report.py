"""What a compression step did, as it is stored beside the compressed model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REPORT = "report.json"


@dataclass(frozen=True)
class StepReport:
    """One step as it went.

    ``changed`` names the parts that were changed, ``skipped`` those that were left, each with
    the reason. Parameters count every number of the module, whatever its format. ``detail``
    is a sentence; a step that changed nothing says so there.
    """

    step: str
    changed: tuple[str, ...]
    skipped: tuple[str, ...]
    parameters_before: int
    parameters_after: int
    detail: str
    seconds: float

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> StepReport:
        return cls(**{**row, "changed": tuple(row["changed"]), "skipped": tuple(row["skipped"])})


@dataclass(frozen=True)
class ConversionReport:
    """``report.json``: the steps and the bytes of the files before and after.

    ``bytes_published`` is what the publisher's files take, ``bytes_after`` the weights as they
    are stored for the runtime.
    """

    recipe: str
    steps: tuple[StepReport, ...]
    bytes_published: int
    bytes_after: int
    seconds: float
    detail: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        (folder / REPORT).write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1),
                                     encoding="utf-8")


def read_report(folder: Path) -> ConversionReport | None:
    """The report of a converted folder; None where there is none (an ``original``)."""
    path = folder / REPORT
    if not path.is_file():
        return None
    row = json.loads(path.read_text(encoding="utf-8"))
    steps: Sequence[Mapping[str, Any]] = row.pop("steps")
    return ConversionReport(steps=tuple(map(StepReport.from_dict, steps)), **row)

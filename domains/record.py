"""Make the finished examples of the tabs: ``python -m domains.record [slug ...]``.

Each tab's ``service.RECORDED_INPUT`` is asked on the real engine, twice: the first answer
loads the models, the second is recorded, so that its stamp says what an answer costs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from domains import DOMAINS
from domains.base import Domain
from lepton_engine.errors import LeptonError, UnknownNameError

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "recorded"


def describe_host(engine: Any) -> str:
    """What the run was made on, without the host's name: device, cores and memory."""
    import psutil

    status = engine.status()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 1e9
    return f"{status.device} {status.precision}, {cores} cores, {memory:.0f} GB"


def recorded(domain: Domain, engine: Any, today: str) -> dict[str, Any]:
    """The recorded example of one domain."""
    given = dict(domain.module("service").RECORDED_INPUT)
    service = domain.build_service(engine)
    service.api(**given)
    payload = service.api(**given).to_json()
    return {"recorded_at": today, "host": describe_host(engine), "input": given,
            "payload": payload}


def write(slug: str, row: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write one example; a reader never sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slug}.json"
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(row, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def chosen(slugs: Sequence[str], domains: Sequence[Domain] = DOMAINS) -> list[Domain]:
    """The domains of these names, or all."""
    known = {domain.slug: domain for domain in domains}
    for slug in slugs:
        if slug not in known:
            raise UnknownNameError.of("domain", slug, known)
    return [known[slug] for slug in slugs] if slugs else list(domains)


def main(arguments: Sequence[str] | None = None, make_engine: Callable[[], Any] | None = None,
         domains: Sequence[Domain] = DOMAINS, folder: Path = FOLDER) -> int:
    """Exit code 0 when all were made, 1 when one failed, 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m domains.record", description=__doc__)
    parser.add_argument("slugs", nargs="*", metavar="slug", help="a domain; without: all")
    try:
        wanted = chosen(parser.parse_args(arguments).slugs, domains)
    except UnknownNameError as error:
        print(error, file=sys.stderr)
        return 2
    engine = (make_engine or _real_engine)()
    failed = 0
    try:
        for domain in wanted:
            failed += not _record_one(domain, engine, folder)
    finally:
        engine.close()
    return 1 if failed else 0


def _real_engine() -> Any:
    from lepton_engine import Engine

    return Engine()


def _record_one(domain: Domain, engine: Any, folder: Path) -> bool:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        row = recorded(domain, engine, today)
    except LeptonError as error:
        print(f"{domain.slug}: {error}", file=sys.stderr)
        return False
    path = write(domain.slug, row, folder)
    print(f"{domain.slug}: {row['payload']['decision']}, written to {path.name}")
    return True


if __name__ == "__main__":
    sys.exit(main())

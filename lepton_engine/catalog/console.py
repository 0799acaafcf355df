"""``python -m lepton_engine models list | pull | verify | remove``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lepton_engine.catalog.bars import Bar
from lepton_engine.catalog.progress import StoppedError, megabytes
from lepton_engine.catalog.reader import Catalogue, catalogue
from lepton_engine.catalog.specs import ModelSpec
from lepton_engine.catalog.store import Store
from lepton_engine.errors import DigestError, DiskFullError, LeptonError, SourceError
from lepton_engine.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The four actions and what they take."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")
    actions.add_parser("list", help="what there is, and what the store holds")
    pull = actions.add_parser("pull", help="fetch models and check them")
    chosen = pull.add_mutually_exclusive_group(required=True)
    chosen.add_argument("aliases", nargs="*", default=[], metavar="ALIAS",
                        help="names from the list, a hub id or a folder")
    chosen.add_argument("--default", action="store_true", help="all that the application needs")
    chosen.add_argument("--all", action="store_true", help="the whole catalogue")
    verify = actions.add_parser("verify", help="hash every file in the store anew")
    verify.add_argument("aliases", nargs="*", metavar="ALIAS", help="default: all in the store")
    remove = actions.add_parser("remove", help="remove models and what was converted from them")
    remove.add_argument("aliases", nargs="+", metavar="ALIAS")


def run(args: argparse.Namespace, store: Store | None = None,
        models: Catalogue | None = None) -> int:
    """Do one action; returns the exit code. ``store`` and ``models`` are given by tests."""
    store = store or Store(Settings.from_env())
    models = models or catalogue()
    if args.action == "list":
        print(table(models, store))
        return 0
    if args.action == "pull":
        return _pull(_wanted(args, models), store)
    if args.action == "verify":
        return _verify([models.resolve(a) for a in args.aliases]
                       or [s for s in (*models, *store.strangers.all()) if _touched(store, s)],
                       store)
    return _remove([models.resolve(a) for a in args.aliases], store)


def _wanted(args: argparse.Namespace, models: Catalogue) -> Sequence[ModelSpec]:
    if args.all:
        return tuple(models)
    if args.default:
        return models.defaults()
    return tuple(models.resolve(a) for a in dict.fromkeys(args.aliases))


def _touched(store: Store, spec: ModelSpec) -> bool:
    return store.folder(spec).is_dir()


def table(models: Catalogue, store: Store) -> str:
    """The catalogue as text: alias, kind, size, licence, languages, in the store, digest."""
    head = ("alias", "kind", "size", "licence", "languages", "in the store", "digest by")
    rows = [head]
    for spec in (*models, *store.strangers.all()):
        languages = " ".join(spec.languages[:4])
        more = f" +{len(spec.languages) - 4}" if len(spec.languages) > 4 else ""
        by_choice = spec.catalogued and not spec.default
        rows.append((spec.alias + (" *" if by_choice else ""), spec.kind,
                     megabytes(spec.size), spec.licence, languages + more or "not known",
                     "yes" if store.has(spec) else "no", spec.digest_by))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
             for row in rows]
    lines.insert(1, "  ".join("-" * w for w in widths))
    lines.append(f"* by choice, not fetched by --default.  {megabytes(store.disk_free())} free.")
    return "\n".join(lines)


def _pull(specs: Sequence[ModelSpec], store: Store) -> int:
    missing = [s for s in specs if not store.has(s)]
    if len(missing) > 1:
        print(f"{len(missing)} to fetch, {megabytes(sum(s.size for s in missing))} when whole; "
              f"{megabytes(store.disk_free())} are free.", file=sys.stderr)
    failed = 0
    for spec in specs:
        bar = Bar()
        try:
            _repair(spec, store)
            known, _ = store.open(spec, bar)
            bar.line(f"{spec.alias}: ready, {megabytes(known.size)} checked.")
        except (StoppedError, DiskFullError):
            raise
        except LeptonError as error:
            bar.line(f"Error: {error} ({error.id})")
            failed += 1
        finally:
            bar.close()
    return 1 if failed else 0


def _repair(spec: ModelSpec, store: Store) -> None:
    """Put damaged files aside first, so that one pull is enough to mend a model."""
    if spec.catalogued:
        try:
            store.verify(spec)
        except DigestError as error:
            print(error, file=sys.stderr)
        except SourceError:
            pass  # not whole: the fetch that follows brings what is missing


def _verify(specs: Sequence[ModelSpec], store: Store) -> int:
    if not specs:
        print("The store is empty. Fetch something with `models pull --default`.")
        return 0
    failed = 0
    for spec in specs:
        try:
            store.verify(spec)
            stated = "as the catalogue states" if spec.catalogued else "as recorded when it came"
            print(f"{spec.alias}: {len(spec.files)} file{'s'[:len(spec.files) - 1]}, "
                  f"{megabytes(spec.size)}, {stated}.")
        except LeptonError as error:
            print(f"{spec.alias}: {error} ({error.id})", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _remove(specs: Sequence[ModelSpec], store: Store) -> int:
    for spec in specs:
        freed = store.remove(spec.alias)
        print(f"{spec.alias}: {megabytes(freed)} freed." if freed
              else f"{spec.alias}: was not in the store.")
    return 0

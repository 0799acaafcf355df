"""A taught classifier as a file: a zip of weights and card, and the way back.

What comes back is a stranger's file: its size, members and numbers are checked before anything
is made of them, the weights against the card's sha256. Nothing in it is unpickled or run.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lepton_engine.compression.recipe import Recipe
from lepton_engine.errors import InputError, LeptonError, LimitError
from lepton_engine.fitted import said
from lepton_engine.training.lessons import (
    ENGLISH,
    MAX_CLASSES,
    MAX_LABEL_CHARACTERS,
    MULTILINGUAL,
)

if TYPE_CHECKING:
    from lepton_engine.training.heads import Head

WEIGHTS, CARD, MARKDOWN = "head.safetensors", "card.json", "CARD.md"
MEMBERS = (WEIGHTS, CARD, MARKDOWN)
MAX_BYTES = 2_000_000
#: 100 labels of 512 numbers are 205 kB, their card and its matrix less than that.
MAX_MEMBER_BYTES = 1_000_000
WIDTHS = {ENGLISH: 384, MULTILINGUAL: 512}
NAME = re.compile(r"\w[\w.-]{0,63}")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip's zero: a date of its own would change its bytes
_DOWNLOAD = "Give a file as it was downloaded from “Teach your own” or made by `to_bytes`."


def checked_name(name: object) -> str:
    """A name that no path, command or key can be made of.

    Raises:
        InputError: anything else.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name) or name.isspace():
        raise InputError("A classifier's name is 1 to 64 letters, digits, hyphens, dots and "
                         "underscores, the first a letter or digit.")
    return name


def packed(head: Head, card: Mapping[str, Any], notes: Sequence[str]) -> bytes:
    """See `Fitted.to_bytes`."""
    from lepton_engine.training.heads import save_head

    with TemporaryDirectory(prefix="lepton-taught-") as home:
        folder = Path(home) / "head"
        save_head(head, folder, card)
        (folder / MARKDOWN).write_text(markdown(card, head, notes), encoding="utf-8")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for member in MEMBERS:
                row = zipfile.ZipInfo(member, _EPOCH)
                row.compress_type, row.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(row, (folder / member).read_bytes(), compresslevel=6)
        return out.getvalue()


def opened(data: bytes) -> tuple[Head, dict[str, Any]]:
    """Head and card of a zip.

    Raises:
        InputError, LimitError: no such zip, too large, damaged, or with numbers that fit no
            trunk.
    """
    from lepton_engine.training.heads import load_head

    members = _members(data)
    with TemporaryDirectory(prefix="lepton-taught-") as home:
        for member, content in members.items():
            (Path(home) / member).write_bytes(content)
        try:
            card = json.loads(members[CARD])
            _check_card(card)
            head = load_head(Path(home))
        except LeptonError as error:
            raise InputError(f"The classifier in the file is damaged. {_DOWNLOAD}") from error
        except Exception as error:  # a stranger's card may break any reader
            raise InputError(f"The file's card does not read. {_DOWNLOAD}") from error
    return _checked_head(head, card), card


def _members(data: bytes) -> dict[str, bytes]:
    """The expected members and nothing else, each read no further than its limit."""
    if not isinstance(data, bytes):
        raise InputError(f"A classifier is opened from bytes. {_DOWNLOAD}")
    if len(data) > MAX_BYTES:
        raise LimitError(f"The file is larger than {MAX_BYTES / 1e6:g} MB. {_DOWNLOAD}")
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [row.filename for row in archive.infolist()]
            if sorted(names) != sorted(MEMBERS):
                raise InputError(f"The file does not hold just {', '.join(MEMBERS)}. {_DOWNLOAD}")
            for name in names:
                with archive.open(name) as member:
                    found[name] = member.read(MAX_MEMBER_BYTES + 1)
                if len(found[name]) > MAX_MEMBER_BYTES:
                    raise LimitError(f"A part of the file is larger than "
                                     f"{MAX_MEMBER_BYTES / 1e6:g} MB. {_DOWNLOAD}")
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError,
            ValueError) as error:
        if isinstance(error, LeptonError):
            raise
        raise InputError(f"The file is no zip, or it is damaged. {_DOWNLOAD}") from error
    return found


def _check_card(card: Any) -> None:
    """What `Fitted` reads of a card is there and of its type; ValueError otherwise."""
    labels = card["labels"]
    right = (isinstance(labels, list) and 2 <= len(labels) <= MAX_CLASSES
             and all(isinstance(x, str) and 0 < len(x) <= MAX_LABEL_CHARACTERS for x in labels)
             and len(set(labels)) == len(labels) and card["trunk"] in WIDTHS
             and card["trunk_name"] == card["trunk"])
    scores, examples, confusion = card["scores"], card["examples"], card["confusion"]
    rows = [scores[key] for key in ("accuracy", "macro_f1", "weighted_f1")]
    rows += [scores["f1_per_class"][label] for label in labels]
    numbers = [row[part] for row in rows for part in ("value", "low", "high")]
    numbers += [card["temperature"], card["threshold"], scores["commonest"]["share"]]
    counts = [scores["n"], *(scores["f1_per_class"][label]["n"] for label in labels)]
    counts += [examples[key] for key in ("duplicates_dropped", "not_read", "language_read")]
    counts += [cell for row in confusion for cell in row]
    right = (right and all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers)
             and all(isinstance(n, int) and 0 <= n < 10**7 for n in counts)
             and [len(row) for row in confusion] == [len(labels)] * len(labels)
             and card["temperature"] > 0 and scores["commonest"]["label"] in labels
             and all(label in labels for label in examples["one_group"])
             and all(isinstance(code, str) and len(code) < 9 for code in card["languages"])
             and len(scores["f1_per_class"]) == len(labels))
    if not right:
        raise ValueError("a card of another form")
    checked_name(card["name"])
    Recipe.parse(card["recipe"])


def _checked_head(head: Head, card: Mapping[str, Any]) -> Head:
    """The head of just what was checked, whatever else the file held."""
    import numpy as np

    from lepton_engine.training.heads import Head

    shape = (len(card["labels"]), WIDTHS[card["trunk"]])
    fits = (head.weight.shape == shape and head.bias.shape == shape[:1]
            and head.weight.dtype == head.bias.dtype == np.float32
            and np.isfinite(head.weight).all() and np.isfinite(head.bias).all())
    if not fits:
        raise InputError(f"The file's weights do not fit {card['trunk']}. {_DOWNLOAD}")
    return Head(tuple(card["labels"]), card["trunk"], head.weight, head.bias,
                float(card["temperature"]), float(card["threshold"]))


def markdown(card: Mapping[str, Any], head: Head, notes: Sequence[str]) -> str:
    """The card for people."""
    scores, at = card["scores"], card["at_threshold"]
    cell = str.maketrans({"|": "\\|", "<": "&lt;", "`": "'"})
    return "\n".join([
        f"# {card['name']}", "", f"{card['task']}: {len(head.labels)} labels by "
        f"{card['method']} of `{head.trunk}` ({card['recipe']}). Taught {card['trained_at']} with "
        f"seed {card['seed']} on {scores['n']:,} texts, none of which is in this file.", "",
        *(f"- {note}" for note in notes), "",
        f"## Scores: {card['split']['by']}; 95 % intervals", "", "| measure | value |", "|---|---|",
        f"| accuracy | {said(scores['accuracy'])} |", f"| macro-F1 | {said(scores['macro_f1'])} |",
        f"| weighted F1 | {said(scores['weighted_f1'])} |",
        f"| expected calibration error | {scores['expected_calibration_error']:.3f} |",
        f"| always “{scores['commonest']['label'].translate(cell)}” | "
        f"{scores['commonest']['share']:.3f} |", "",
        f"Threshold {head.threshold:.4f} on the {card['score']} ({card['threshold_rule']}): it "
        f"answers {at['coverage']:.1%} and is wrong in {at['error']:.1%} of that; without it, "
        f"wrong in {at['error_without_threshold']:.1%}.", "",
        "## Per label", "", "| label | F1 | n |", "|---|---|---|",
        *(f"| {name.translate(cell)} | {said(row)} | {row['n']:,} |"
          for name, row in scores["f1_per_class"].items()), "",
        "Read it again with `Engine().open_fitted(data)`.", ""])

"""“Teach your own” without a page: rows in, stages and outcomes out, views of them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from domains.engine_lab.outcome import Stage
from domains.engine_lab.service import EngineLab, build
from domains.engine_lab.teaching import views
from domains.engine_lab.teaching.reading import examples, of_csv, of_lines
from lepton_engine.errors import InputError, UnknownNameError
from tests.domains.lab import outcomes
from tests.fakes import FakeEngine

CSV = b"text,label\n" + b"".join(
    f"{word} {label * 3},{label}\n".encode() for label in ("up", "down")
    for word in ("one", "two", "three", "four", "five", "six", "seven", "eight"))


@pytest.fixture(scope="module")
def lab() -> EngineLab:
    return build(FakeEngine())


@pytest.fixture(scope="module")
def payload(lab: EngineLab) -> dict[str, Any]:
    found: dict[str, Any] = outcomes(lab.teach("shop", "sample", "", None))[-1].to_json()
    return found


def test_the_stages_come_before_the_classifier(lab: EngineLab) -> None:
    steps = list(lab.teach("", "csv", "", CSV))
    assert all(isinstance(step, Stage) for step in steps[:-1])
    taught = steps[-1]
    assert not isinstance(taught, Stage)
    assert (taught.name, taught.labels, taught.scores["n"]) == ("my-labels", ("down", "up"), 16)
    assert "in 100.0\u00a0%" in taught.reason
    with pytest.raises(UnknownNameError):  # nothing of it is in the shared engine
        lab._engine.classify(["one"], "my-labels")


def test_closing_stops_the_work_and_frees_the_turn(lab: EngineLab) -> None:
    went_on = threading.Event()

    class Slow(FakeEngine):
        def embed(self, *given: Any, **options: Any) -> Any:
            time.sleep(0.5)
            return super().embed(*given, **options)

        def fit(self, *given: Any, tell: Any, **options: Any) -> Any:
            super().fit(*given, tell=tell, **options)
            went_on.set()

    steps = build(Slow()).teach("", "sample", "", None)
    next(steps)
    steps.close()
    assert outcomes(lab.teach("", "csv", "", CSV))[-1].better
    assert not went_on.is_set()


def test_two_at_once_wait_for_each_other(lab: EngineLab) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(
        outcomes(lab.teach("", "csv", "", CSV))[-1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.file for outcome in found] == [found[0].file] * 2


def test_an_own_text_is_told_by_what_was_taught(
        lab: EngineLab, payload: dict[str, Any]) -> None:
    found = lab.own_text(payload, "My parcel has not been delivered")
    assert found.items[0]["label"] == "delivery"
    assert "delivery" in views.own_html(found.to_json(), "en")
    strange = lab.own_text(payload, "我的包裹在哪里", "zh")
    assert strange.decision.value == "abstained"
    assert strange.items == ()
    assert "zh" in strange.reason
    with pytest.raises(InputError, match="no classifier yet"):
        lab.own_text(None, "x")
    with pytest.raises(InputError, match="no text"):
        lab.own_text(payload, "  ")


@pytest.mark.parametrize(("data", "sentence"), [
    (b"", "There is no file yet"),
    (b"\n", "The file is empty"),
    (b"text,label\n", "a header but no row"),
    (b"a,b\n1,2\n", "no column “text”"),
    (b"text,kind\n1,2\n", "no column “label”"),
    (b"text,label,text\n1,2,3\n", "“text” more than once"),
    ("text,label\nGrüße,a\n".encode("latin-1"), "Line 2 of the file is not UTF-8"),
    ("text,label\na,b\n".encode("utf-16"), "UTF-16"),
    (b"text,label\nwell, yes,a\n", "Row 1 has 3 cells, the header 2"),
    (b'text,label\n"never closed,a\n', "never closes"),
    (b"text,label\nx,\0\n", "NUL bytes"),
    (b"x" * 5_000_001, "larger than 5 MB"),
])
def test_each_bad_file_has_its_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        examples("csv", "", data)


def test_files_as_spreadsheets_write_them() -> None:
    assert of_csv("\ufefftext;label\r\n\"a; b\";x\r\n\r\n".encode()) == (["a; b"], ["x"])
    assert of_csv("标签\t文本\n甲\t你好\n".encode()) == (["你好"], ["甲"])
    texts, labels = of_csv(b"text,label\na,x\n,\nb,y\n,,\n\n")
    assert (texts, labels) == (["a", "", "b"], ["x", "", "y"])  # named by the engine as row 2


def test_an_empty_row_in_the_middle_is_named(lab: EngineLab) -> None:
    with pytest.raises(InputError, match=r"no text \(row 2\)"):
        list(lab.teach("", "csv", "", CSV.replace(b"two upupup,up", b",")))


def test_pasted_rows_are_cut_at_the_last_mark() -> None:
    assert of_lines("Yes, it is late, delivery\n\n\"So, \"\"when\"\"?\", b\nTab, too\tc d") == (
        ["Yes, it is late", 'So, "when"?', "Tab, too"], ["delivery", "b", "c d"])
    assert of_lines("text,label\n包裹呢？，物流") == (["包裹呢？"], ["物流"])
    for typed, sentence in (("", "There is no row"), ("no mark", "Line 1 has no text"),
                            ("a, b\n, c", "Line 2 has no text")):
        with pytest.raises(InputError, match=sentence):
            of_lines(typed)
    with pytest.raises(InputError, match="must be one of"):
        examples("/etc/passwd", "", None)


def test_views_draw_what_was_found(payload: dict[str, Any]) -> None:
    for lang, word in (("en", "Accuracy"), ("zh", "准确率")):
        shown = views.scores_html(payload, lang)
        assert word in shown
        assert views.percent(payload["scores"]["accuracy"]["value"]) in shown
        figure = views.confusion_figure(payload, lang)
        assert figure.data[0].z[0][0] == pytest.approx(
            payload["confusion"][0][0] / 15)
        written = sum(int(note.text) for note in figure.layout.annotations)
        assert written == 60
        assert views.classes_html(payload, lang).count("<tr>") == 5
    assert Path(views.zip_file(payload, "en")).read_bytes() == payload["file"]
    assert Path(views.mistakes_file(payload, "en")).read_text("utf-8-sig").startswith("row,text")


def test_what_a_person_wrote_is_only_text(payload: dict[str, Any]) -> None:
    evil = "<img src=x onerror=alert(1)>"
    changed = {**payload, "labels": [evil, *payload["labels"][1:]],
               "facts": {**payload["facts"], "one_group": [evil], "duplicates_dropped": 2},
               "mistakes": [{"row": 1, "text": evil, "label": evil, "predicted": evil,
                             "confidence": 0.9}]}
    for view in (views.scores_html, views.mistakes_html):
        assert "<img" not in view(changed, "en")
    assert "<img" not in views.confusion_figure(changed, "en").to_json()
    assert "2 exact duplicates" in views.scores_html(changed, "en")


def test_a_useless_classifier_says_so() -> None:
    rows = "\n".join(f"{word}{n % 7} {n * 37 % 11}, {'ab'[n * n % 3 % 2]}"
                     for n, word in enumerate(["red", "sun", "oak", "sea", "ink"] * 8))
    outcome = outcomes(build(FakeEngine()).teach("", "pasted", _letters(rows), None))[-1]
    assert not outcome.better
    assert "Not shown to be of use" in outcome.reason
    assert "lp-teach-warned" in views.scores_html(outcome.to_json(), "en")


def _letters(text: str) -> str:
    """Digits as letters: numbers do not make texts differ."""
    return text.translate(str.maketrans("0123456789", "klmnopqrst"))

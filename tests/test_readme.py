"""The README says what is so: its code runs, its tables and numbers are those of the source."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import readme as tables
from domains import DOMAINS
from domains.base import Decision
from lepton_engine import __main__ as console
from lepton_engine import chat
from tests.fakes import FakeEngine

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md",
             *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md")))]
QUICK_START, CLIENT = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def section(title: str) -> str:
    """The text under a heading."""
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def front_matter() -> dict[str, str]:
    block = TEXT.split("---\n", 2)[1]
    return {key: value.strip(' "') for key, _, value in
            (line.partition(":") for line in block.splitlines())}


def run(code: str) -> str:
    """What a program of its own prints, in the repository's folder."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          timeout=600, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.integration
def test_the_quick_start_runs_as_it_stands() -> None:
    printed = run(QUICK_START)
    assert 'spacy.blank("xx")' in printed
    assert "384 dimensions" in printed
    assert "(2, 384)" in printed
    assert re.search(r"^negative 0\.\d+$", printed, re.M)
    assert re.search(r"^positive 0\.\d+$", printed, re.M)
    assert "(1, 0)" in printed
    assert printed.count("Wednesday") == 2, "the blocking and the streamed reply"
    assert "qwen-0.5b/" in printed
    assert "low-rank:0.6+prune-neurons:0.25+int8" in printed


@pytest.mark.integration
def test_the_client_runs_as_it_stands(launch: Callable[..., str]) -> None:
    from lepton_engine import Engine

    assert CLIENT.count("http://127.0.0.1:7860/") == 1
    with Engine() as engine:
        address = launch(engine)
        printed = run(CLIENT.replace("http://127.0.0.1:7860/", address))
    assert len(re.findall(r"^(?:answered|clarify) ", printed, re.M)) == 2
    assert re.search(r"'NVDA': -0\.\d+", printed)
    assert re.search(r"[\u4e00-\u9fff]{4}", printed), "the translation"


def test_every_endpoint_is_called_in_the_example() -> None:
    called = set(re.findall(r'api_name="/(\w+)"', CLIENT))
    assert called == {domain.slug for domain in DOMAINS}
    for slug in called:
        assert TEXT.count(f"`/{slug}`") == 2, "in the table of tabs and in that of endpoints"


def test_endpoint_signatures_are_those_of_the_services() -> None:
    for row in re.findall(r"^\| `/(\w+)` \| (.+?) \|", section("The endpoints"), re.M):
        slug, takes = row
        service = next(d for d in DOMAINS if d.slug == slug).build_service(FakeEngine())
        wanted = list(inspect.signature(service.api).parameters.values())
        assert re.findall(r"`(\w+):", takes) == [p.name for p in wanted], slug
        for parameter in wanted:
            if parameter.default is not inspect.Parameter.empty:
                shown = json.dumps(parameter.default)
                assert re.search(rf"`{parameter.name}: \w+ = {shown}`", takes), parameter.name


def test_all_decisions_are_named() -> None:
    assert all(f"`{decision.value}`" in section("The endpoints") for decision in Decision)


def test_the_tables_are_made_from_the_source() -> None:
    assert tables.renewed(TEXT) == TEXT, "run: python -m benchmarks.readme --write"
    assert len(re.findall(r"^\| `", section("Models"), re.M)) >= 11


def test_the_tables_follow_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tables.TABLES, "models", lambda: "| other |\n")
    assert "<!-- table: models -->\n| other |\n<!-- end of table -->" in tables.renewed(TEXT)


def test_the_data_of_every_head_is_named_with_its_licence() -> None:
    rows = section("Data").splitlines()
    cards = list((ROOT / "assets" / "adapters").glob("*/card.json"))
    assert cards
    for card in cards:
        for source in json.loads(card.read_text(encoding="utf-8"))["data"]:
            name = source["name"].split(",")[0]
            row = next((r for r in rows if name in r), "")
            assert source["licence"] in row, name
            assert source["citation"] in row, name


def test_every_setting_is_documented_and_read() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", section("Settings"), re.M))
    files = [ROOT / "app.py", *(ROOT / "lepton_engine").rglob("*.py"),
             *(ROOT / "domains").rglob("*.py")]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    read = set(re.findall(r"\b(?:LEPTON|GRADIO_SERVER)_[A-Z_]+\b", source))
    assert documented == read


def test_the_front_matter_is_a_spaces() -> None:
    facts = front_matter()
    assert (facts["sdk"], facts["license"], facts["python_version"]) == (
        "gradio", "apache-2.0", "3.11")
    assert (ROOT / facts["app_file"]).is_file()
    bound = re.search(r"^gradio>=([\d.]+),<(\d+)$",
                      (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert bound is not None
    assert facts["sdk_version"].startswith(f"{bound[1]}.")
    assert len(facts["short_description"]) <= 60
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {facts["colorFrom"], facts["colorTo"]} <= colours


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make (\w+)", TEXT, re.M))
    assert targets >= {"run", "test", "models"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target
    commands = re.findall(r"^python -m lepton_engine (.+?)(?:  +#.*)?$", TEXT, re.M)
    assert len(commands) >= 5
    for command in commands:
        words = shlex.split(command)
        assert console._parser(words[0]).parse_args(words).command == words[0]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_the_numbers_are_those_of_the_assets() -> None:
    from domains.financial_sentiment.headlines import MAX_ROWS
    from domains.shared import conversations
    from domains.text_studio.service import MAX_CHARACTERS
    from lepton_engine.compression.decoder_questions import load_questions
    from lepton_engine.engine import DEFAULT_MEMORY_SHARE

    def base(domain: str) -> list[dict[str, Any]]:
        return json.loads((ROOT / "assets" / "knowledge" / domain / "en.json").read_text("utf-8"))

    sections = [s for row in base("medical") for s in row["sections"].values()]
    unchecked = sum(not s.get("sources") for s in sections)
    said = [
        f"{len(base('customer_service'))} help articles", f"{len(base('medical'))} conditions",
        f"{len(load_questions())} grounded questions",
        f"{unchecked} of its {len(sections)} sections",
        f"{chat.MAX_MESSAGE_CHARACTERS:,} characters a message",
        f"{MAX_CHARACTERS['translate']:,} for a text", f"{chat.MAX_TURNS} turns",
        f"{chat.MAX_NEW_TOKENS} new tokens and {chat.MAX_SECONDS:.0f} seconds",
        f"{MAX_ROWS:,} headlines a call",
        f"{conversations.MAX_IDLE_SECONDS / 60:.0f} minutes, at most "
        f"{conversations.MAX_CONVERSATIONS:,} of them",
        f"{DEFAULT_MEMORY_SHARE:.0%}".replace("%", " %") + " of the machine's memory",
        f"{_download_gigabytes():.1f} GB",
    ]
    for words in said:
        assert words in TEXT, words


def test_the_limits_of_the_language_model_are_those_of_its_verdict() -> None:
    (row,) = json.loads((ROOT / "assets" / "verdicts" / "qwen-0.5b.json").read_text("utf-8"))
    speed = row["detail"]["speed"]
    one = row["original_latency_ms"] / row["latency_ms"]
    said = [f"{one:.2f} times as many tokens a second",
            f"{speed['variant']['sixteen']:.0f} a second in sum against "
            f"{speed['original']['sixteen']:.0f}",
            f"{row['size_bytes'] / 1e6:.0f} MB beside a file of "
            f"{row['detail']['published_bytes'] / 1e6:.0f} MB",
            f"`{row['detail']['published_precision']}`"]
    for words in said:
        assert words in section("Limits, told plainly"), words


def test_the_gate_is_told_with_the_limits_of_the_source() -> None:
    from lepton_engine import profiles
    from lepton_engine.compression import gate

    said = [f"at most {gate.LOSS_POINTS:g} points", f"stays below {gate.HIGH_POINTS:g}",
            f"at least {gate.LEAST_N:,} held-out predictions",
            f"at least {gate.LEAST_OVERLAP:.0%}".replace("%", " %")]
    for words in said:
        assert words in section("Compression"), words
    assert f"at most {profiles.FAST_POINTS:g} points" in section("The tabs")


def test_every_speed_table_has_been_measured() -> None:
    """Fails until each benchmark has a kept result: `make bench`."""
    assert "Not measured yet" not in TEXT


def _download_gigabytes() -> float:
    from lepton_engine.catalog import catalogue

    wheels = {w for spec in catalogue().defaults() for f in spec.files for w in f.wheels()}
    return sum(w.size for w in wheels) / 1e9

"""The design's rules for the source, held by its syntax trees, and each rule seen to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import source_rules as rules
from tests.source_rules import Module

ROOT = Path(__file__).resolve().parents[1]
SOURCE = rules.read_modules(ROOT, ("app", "lepton_engine", "domains", "benchmarks"))
TESTS = rules.read_modules(ROOT, ("tests",))

FILE_LINES, FUNCTION_LINES = 300, 40
#: Past the limits for a reason, and never past the hard ones.
EXCEPTIONS = {
    "lepton_engine.runtimes.decoder_export:_wrapper":
        "a class whose base is torch's can only be written inside a function that imports torch",
}
HARD_FILE_LINES, HARD_FUNCTION_LINES = 330, 55


def test_the_whole_source_is_read() -> None:
    names = {m.name for m in SOURCE}
    assert {"app", "lepton_engine", "lepton_engine.engine", "domains.base"} <= names
    assert {m.domain for m in SOURCE} >= {"", "customer_service", "medical_qa"}
    assert len(names) > 80


def test_imports_run_one_way() -> None:
    assert rules.one_way(SOURCE) == []


def test_no_domain_imports_another() -> None:
    assert rules.domains_apart(SOURCE) == []


def test_gradio_stays_in_the_pages() -> None:
    assert rules.without_gradio(SOURCE) == []


def test_every_domain_keeps_gradio_in_its_ui() -> None:
    users = {m.name.split(".")[-1] for m in SOURCE if m.domain
             and any(i.name.partition(".")[0] == "gradio" for i in m.imports)}
    assert users == {"ui"}


def test_nothing_is_unpickled_and_no_text_is_run() -> None:
    assert rules.unsafe(SOURCE) == []


def test_files_and_functions_stay_short() -> None:
    long = rules.too_long([*SOURCE, *TESTS], FILE_LINES, FUNCTION_LINES)
    assert [name for name in long if name not in EXCEPTIONS] == []


def test_exceptions_are_needed_and_bounded() -> None:
    sizes = rules.lengths([*SOURCE, *TESTS])
    for name in EXCEPTIONS:
        function = ":" in name
        assert sizes[name] > (FUNCTION_LINES if function else FILE_LINES), f"{name} needs none"
        assert sizes[name] <= (HARD_FUNCTION_LINES if function else HARD_FILE_LINES)


# Each rule on broken samples: a rule that cannot fail holds nothing.

@pytest.mark.parametrize(("name", "text"), [
    ("lepton_engine.engine", "import domains"),
    ("lepton_engine.engine", "def f():\n    from domains.base import Decision"),
    ("lepton_engine.runtimes.base", "from ... import app"),
    ("lepton_engine.pool", "from tests.fakes import FakeEngine"),
    ("domains.base", "import app"),
    ("domains.shared.page", "from tests import fakes"),
    ("app", "from benchmarks import speed"),
])
def test_an_import_upwards_is_seen(name: str, text: str) -> None:
    assert len(rules.one_way([Module(name, text)])) >= 1


def test_imports_downwards_are_allowed() -> None:
    fine = [Module("app", "import domains\nfrom lepton_engine import Engine"),
            Module("domains.a.service", "from lepton_engine.results import Stamp"),
            Module("lepton_engine.pool", "import appdirs, domains_of_knowledge"),
            Module("benchmarks.speed", "import app")]
    assert rules.one_way(fine) == []


@pytest.mark.parametrize(("name", "text"), [
    ("domains.medical_qa.service", "from domains.customer_service.wording import words"),
    ("domains.medical_qa.service", "from domains import recommendation"),
    ("domains.medical_qa.ui", "from ..text_studio import views"),
    ("domains.shared.page", "def f():\n    import domains.medical_qa.ui"),
    ("domains.shared.page", 'import importlib\nimportlib.import_module("domains.medical_qa.ui")'),
])
def test_an_import_between_domains_is_seen(name: str, text: str) -> None:
    assert len(rules.domains_apart([Module(name, text)])) >= 1


def test_a_domain_may_import_itself_and_what_is_shared() -> None:
    text = ("from domains import DOMAINS\nfrom domains.base import Outcome\nfrom . import views\n"
            "from domains.shared.texts import Texts\nfrom domains.medical_qa.scope import covers")
    assert rules.domains_apart([Module("domains.medical_qa.ui", text)]) == []


@pytest.mark.parametrize(("name", "text"), [
    ("lepton_engine.engine", "import gradio as gr"),
    ("lepton_engine.engine", "def f():\n    from gradio.blocks import Block"),
    ("domains.medical_qa.service", "import gradio"),
    ("domains.medical_qa.views", "from gradio import update"),
    ("domains.medical_qa.rows", "import gradio_client"),
    ("domains.medical_qa", "import gradio"),
    ("domains.base", "import gradio"),
])
def test_gradio_in_the_wrong_place_is_seen(name: str, text: str) -> None:
    assert len(rules.without_gradio([Module(name, text)])) == 1


def test_gradio_by_way_of_another_module_is_seen() -> None:
    page = Module("domains.shared.page", "import gradio")
    helper = Module("domains.shared.helper", "from domains.shared import page")
    service = Module("domains.a.service", "from domains.shared.helper import f")
    assert rules.without_gradio([page, helper, service]) == [
        "domains.a.service imports gradio by way of domains.shared.helper -> domains.shared.page"]
    package = Module("domains.shared", "import gradio", is_package=True)
    assert "domains.a.service imports gradio by way of domains.shared" in rules.without_gradio(
        [package, helper, service])


def test_pages_may_use_gradio_and_lazy_imports_are_no_way_to_it() -> None:
    lazy = "def f():\n    import gradio\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
    fine = [Module("app", "import gradio"), Module("domains.a.ui", "import gradio"),
            Module("domains.shared.helper", f"{lazy}    import gradio"),
            Module("domains.a.service", "import domains.shared.helper")]
    assert rules.without_gradio(fine) == []


@pytest.mark.parametrize("text", [
    "import pickle", "from joblib import load", "import dill as d", "import shelve",
    "def f():\n    import marshal", 'import importlib\nimportlib.import_module("pickle")',
    "import torch\ntorch.load('x')", "import torch as t\nt.load('x')",
    "from torch import load\nload('x')", "from torch import hub\nhub.load('x', 'y')",
    "import pandas as pd\npd.read_pickle('x')",
    "import numpy as np\nnp.load('x', allow_pickle=True)",
    "load('x', trust_remote_code=True)", "load('x', trust_remote_code=wish)",
    "eval('1')", "exec('x = 1')", "import builtins\nbuiltins.eval('1')", "__import__('os')",
])
def test_what_could_run_foreign_code_is_seen(text: str) -> None:
    assert len(rules.unsafe([Module("lepton_engine.engine", text)])) >= 1


def test_harmless_namesakes_are_allowed() -> None:
    text = ("import re, numpy as np, json, spacy\nmodule.eval()\nre.compile('x')\n"
            "np.load('x', allow_pickle=False)\njson.load(f)\nspacy.load(p)\n"
            "load(p, trust_remote_code=False)\nfrom safetensors.torch import load_file")
    assert rules.unsafe([Module("lepton_engine.engine", text)]) == []


def test_long_files_and_functions_are_seen() -> None:
    body = "    x = 1\n" * 39
    fits = Module("a", f"def f():\n{body}")
    assert rules.too_long([fits], 300, 40) == []
    assert rules.too_long([Module("a", f"def f():\n{body}    x = 1\n")], 300, 40) == ["a:f"]
    method = "class C:\n    async def f(self):\n" + "        x = 1\n" * 40
    assert rules.too_long([Module("a", method)], 300, 40) == ["a:f"]
    assert rules.too_long([Module("a", "x = 1\n" * 300)], 300, 40) == []
    assert rules.too_long([Module("a", "x = 1\n" * 301)], 300, 40) == ["a"]

"""The names that programs outside rely on, and what importing them does not load."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lepton_engine

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "openvino", "openvino_genai", "gradio", "spacy", "pandas",
         "plotly", "sklearn", "numpy", "lingua", "huggingface_hub")

#: Public calls of the objects: a name may be added here, and taken away only with a new version.
ENGINE = {"embed", "classify", "rerank", "entities", "chat", "stream_chat", "data",
          "adapter_card", "preload", "status", "close", "compress", "compare", "stream_compare",
          "attention", "load", "unload", "verdicts", "recipe_for", "fit", "open_fitted"}
MODEL = {"load_pretrained_model", "predict", "embed", "rerank", "close"}
TOKENIZER = {"from_pretrained", "tokenize", "encode"}


def loaded_by(code: str) -> set[str]:
    """Which of the heavy libraries a fresh interpreter has loaded after ``code``."""
    script = f"{code}\nimport sys\nprint(*(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True,
                          text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    assert lepton_engine.__all__ == ["Engine", "LeptonError", "LeptonModel", "Recipe", "Settings",
                                     "Tokenizer"]
    for name in lepton_engine.__all__:
        assert inspect.isclass(getattr(lepton_engine, name)), name
    assert set(dir(lepton_engine)) == {*lepton_engine.__all__, "__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'Model'"):
        _ = lepton_engine.Model


def test_the_version_is_the_projects() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert lepton_engine.__version__ == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "calls"), [
    ("Engine", ENGINE), ("LeptonModel", MODEL), ("Tokenizer", TOKENIZER)])
def test_public_calls_are_there_and_documented(name: str, calls: set[str]) -> None:
    owner = getattr(lepton_engine, name)
    assert inspect.getdoc(owner)
    for call in calls:
        assert inspect.getdoc(getattr(owner, call)), f"{name}.{call} says nothing"


def test_the_recipe_is_part_of_the_face() -> None:
    text = "low-rank:0.6+prune-neurons:0.25+int8"
    assert str(lepton_engine.Recipe.parse(text)) == text


def test_importing_the_engine_loads_nothing_heavy() -> None:
    assert loaded_by("import lepton_engine") == set()


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("import numpy") == {"numpy"}


def test_naming_the_small_classes_loads_no_library() -> None:
    assert loaded_by("from lepton_engine import LeptonError, Recipe, Settings\n"
                     "Settings.from_env(); Recipe.parse('int8')") == set()


def test_making_an_engine_loads_no_model_library(tmp_path: Path) -> None:
    # OpenVINO is asked for the processor's precision; numpy comes with it.
    code = ("from pathlib import Path\nfrom lepton_engine import Engine, Settings\n"
            f"Engine(settings=Settings(home=Path({str(tmp_path)!r}), offline=True, "
            "device='cpu')).close()")
    assert loaded_by(code) <= {"openvino", "numpy", "openvino_genai"}


def test_importing_the_domains_loads_no_gradio() -> None:
    assert loaded_by("import domains, domains.base") == set()


def test_importing_every_service_and_view_loads_no_gradio() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts)
             for path in sorted((ROOT / "domains").glob("*/*.py"))
             if path.parent.name != "shared" and path.stem not in ("ui", "__init__")]
    assert len(names) > 30
    loaded = loaded_by(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert loaded & {"gradio", "torch", "transformers", "spacy", "lingua"} == set()

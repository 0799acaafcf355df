"""The table of models, its reader, and names outside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lepton_engine.catalog import ModelSpec, catalogue, read_catalogue
from lepton_engine.catalog.specs import FileSpec, Wheel
from lepton_engine.errors import UnknownNameError, UnsafeModelError
from tests.engine.fake_wheels import file_of, sha, spec_of

ALIASES = {"minilm-l6", "mpnet", "reranker", "use-multilingual", "qwen-0.5b", "qwen-1.5b",
           "smollm2-135m", "spacy-en", "films"}


@pytest.mark.parametrize("spec", list(catalogue()), ids=lambda s: s.alias)
def test_every_row_is_complete(spec: ModelSpec) -> None:
    assert spec.licence
    assert spec.publisher
    assert spec.revision
    assert spec.summary
    assert spec.languages
    assert spec.files
    assert spec.sources
    assert spec.catalogued
    assert spec.parameters > 0 or spec.kind in ("spacy", "data")
    assert re.fullmatch(r"[0-9a-f]{64}", spec.digest)
    assert len({f.name for f in spec.files}) == len(spec.files)
    for file in spec.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        assert file.wheels(), "an index alone must do, without any hub"
        for wheel in file.wheels():
            assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
            assert re.fullmatch(r"[\w.-]+==[\w.]+", wheel.pin)
    if "hub" in spec.sources:
        assert re.fullmatch(r"[0-9a-f]{40}", spec.revision)
        assert all(f.hub for f in spec.files)


def test_the_aliases_and_what_is_fetched_by_default() -> None:
    assert set(catalogue().specs) == ALIASES
    by_choice = {"mpnet", "qwen-1.5b", "smollm2-135m"}
    assert {s.alias for s in catalogue().defaults()} == ALIASES - by_choice


@pytest.mark.parametrize(("alias", "name", "digest", "by"), [
    ("minilm-l6", "model.safetensors",
     "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", "publisher"),
    ("qwen-0.5b", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
     "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32", "publisher"),
    ("qwen-1.5b", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
     "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046", "observed"),
    ("smollm2-135m", "SmolLM2-135M-Instruct.Q4_1.gguf",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "observed"),
])
def test_the_digests_that_the_publishers_state(alias: str, name: str, digest: str, by: str) -> None:
    spec = catalogue().spec(alias)
    file = next(f for f in spec.files if f.name == name)
    assert file.sha256 == digest
    assert file.digest_by == spec.digest_by == by


def test_an_unknown_alias_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean minilm-l6"):
        catalogue().spec("minilm-16")
    with pytest.raises(UnknownNameError, match="There are: films, "):
        catalogue().resolve("0000")


def test_a_publishers_id_is_its_row() -> None:
    spec = catalogue().resolve("sentence-transformers/all-minilm-l6-v2")
    assert spec is catalogue().spec("minilm-l6")


def test_the_digest_of_a_model_moves_with_every_file() -> None:
    one = spec_of(file_of("a", b"1"), file_of("b", b"2"))
    assert one.digest == spec_of(file_of("b", b"2"), file_of("a", b"1")).digest
    assert one.digest != spec_of(file_of("a", b"1"), file_of("b", b"3")).digest
    assert one.digest != spec_of(file_of("b", b"1"), file_of("a", b"2")).digest


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "", "c:\\x", "a\\b"])
def test_a_file_name_cannot_leave_its_folder(name: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        FileSpec(name, "0" * 64, 1)


def test_broken_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="sha256"):
        FileSpec("a", "ABC", 1)
    with pytest.raises(ValueError, match="pinned"):
        Wheel("no-version", "0" * 64, 1)
    with pytest.raises(ValueError, match="pinned"):
        Wheel("--index-url==1", "0" * 64, 1)
    with pytest.raises(ValueError, match="digest_by"):
        FileSpec("a", "0" * 64, 1, "somebody")


def test_the_reader_wants_a_commit_for_a_hub_source(tmp_path: Path) -> None:
    table = tmp_path / "models.toml"
    row = f"""
[wheels]
"w==1" = {{ sha256 = "{'0' * 64}" }}
[[model]]
alias = "x"
kind = "encoder"
format = "safetensors"
publisher = "a/b"
revision = "REVISION"
licence = "MIT"
languages = ["en"]
parameters = 1
sources = ["wheel", "hub"]
wheel = "w==1"
prefix = "data/"
files = [{{ name = "m.safetensors", size = 3, sha256 = "{'1' * 64}", hub = true }}]
"""
    table.write_text(row.replace("REVISION", "a" * 40), encoding="utf-8")
    spec = read_catalogue(table).spec("x")
    assert spec.files[0].parts[0].member == "data/m.safetensors"
    assert spec.files[0].hub == "m.safetensors"
    table.write_text(row.replace("REVISION", "main"), encoding="utf-8")
    with pytest.raises(ValueError, match="commit"):
        read_catalogue(table)


# Names outside the catalogue -------------------------------------------------------------


def _model_folder(tmp_path: Path, **configuration: object) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **configuration}))
    return folder


def test_a_folder_gets_computed_digests_and_says_not_catalogued(tmp_path: Path) -> None:
    folder = _model_folder(tmp_path, architectures=["BertModel"])
    spec = catalogue().resolve(folder)
    assert not spec.catalogued
    assert spec.licence == spec.revision == "not catalogued"
    assert spec.folder == folder
    assert (spec.kind, spec.format, spec.digest_by) == ("encoder", "safetensors", "computed")
    assert {f.name: f.sha256 for f in spec.files}["model.safetensors"] == sha(b"weights")


def test_a_causal_model_and_a_gguf_are_decoders(tmp_path: Path) -> None:
    assert catalogue().resolve(_model_folder(tmp_path, architectures=["LlamaForCausalLM"])) \
        .kind == "decoder"
    other = tmp_path / "g"
    other.mkdir()
    (other / "m.gguf").write_bytes(b"GGUF")
    assert (catalogue().resolve(str(other)).kind, catalogue().resolve(other).format) \
        == ("decoder", "gguf")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.PTH", "weights.pkl",
                                  "a.ckpt", "deep/tf_model.h5", "x.joblib"])
def test_a_folder_with_a_pickle_is_refused(tmp_path: Path, name: str) -> None:
    folder = _model_folder(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(UnsafeModelError, match="pickled code") as caught:
        catalogue().resolve(folder)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("file", "content"), [
    ("config.json", {"auto_map": {"AutoModel": "modeling.Evil"}}),
    ("config.json", {"text_config": {"auto_map": {"AutoModel": "modeling.Evil"}}}),
    ("config.json", {"custom_pipelines": {"evil": {"impl": "pipe.Evil"}}}),
    ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["tok.Evil", None]}}),
    ("sub/preprocessor_config.json", {"auto_map": {"AutoProcessor": "p.Evil"}}),
])
def test_a_configuration_with_code_is_refused(tmp_path: Path, file: str,
                                              content: dict[str, object]) -> None:
    folder = _model_folder(tmp_path)
    catalogue().resolve(folder)  # fine without it
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(UnsafeModelError, match="asks for code"):
        catalogue().resolve(folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UnsafeModelError, match="neither safetensors nor GGUF"):
        catalogue().resolve(tmp_path)


def test_a_hub_id_outside_the_catalogue(tmp_path: Path) -> None:
    spec = catalogue().resolve("someone/their-model@v1.2")
    assert (spec.publisher, spec.revision, spec.catalogued) == ("someone/their-model", "v1.2",
                                                                False)
    assert catalogue().resolve("someone/g/file.Q4.gguf").format == "gguf"
    for bad in ("a/../b", "a/b/c", "/a/b", "a b/c"):
        with pytest.raises(UnknownNameError):
            catalogue().resolve(bad)

"""Makes sentence-transformers' own variants of the encoder, once, with its own functions.

    .bench/bin/python -m benchmarks.peers.prepare SOURCE TARGET TEXTS

SOURCE is the folder of the published model; TEXTS a file of one calibration text a line. The
dynamic int8 ONNX is ``export_dynamic_quantized_onnx_model(..., "avx512_vnni")`` (or the
nearest that the processor has), the static int8 OpenVINO ``export_static_quantized_openvino_
model`` with its defaults, calibrated on the texts that Lepton's static variant is too.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
from pathlib import Path

ONNX_QUANTISED = "model_qint8_{}.onnx"
OPENVINO_QUANTISED = "openvino_model_qint8_quantized.xml"
#: OVQuantizationConfig's own default.
SAMPLES = 300


def onnx_configuration() -> str:
    """The quantiser's configuration for this processor, by its flags."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8").split() if path.is_file() else []
    if "avx512_vnni" in flags:
        return "avx512_vnni"
    return "avx512" if "avx512f" in flags else "avx2"


def main(source: Path, target: Path, texts: Path) -> None:
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    _plain(source, part / "torch")
    _onnx(part / "torch", part / "onnx")
    _openvino(part / "torch", part / "openvino", texts)
    part.rename(target)


def _plain(source: Path, target: Path) -> None:
    from sentence_transformers import SentenceTransformer, models

    from benchmarks.peers.encoders import MAX_LENGTH

    trunk = models.Transformer(str(source), max_seq_length=MAX_LENGTH)
    pooling = models.Pooling(trunk.get_word_embedding_dimension())
    SentenceTransformer(modules=[trunk, pooling, models.Normalize()], device="cpu").save(
        str(target))


def _onnx(plain: Path, target: Path) -> None:
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    model = SentenceTransformer(str(plain), backend="onnx", local_files_only=True)
    model.save_pretrained(str(target))
    export_dynamic_quantized_onnx_model(model, onnx_configuration(), str(target))


def _openvino(plain: Path, target: Path, texts: Path) -> None:
    from optimum.intel import OVQuantizationConfig
    from sentence_transformers import (
        SentenceTransformer,
        export_static_quantized_openvino_model,
    )

    data = target.with_name("calibration")
    data.mkdir()
    rows = [line for line in texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    with (data / "train.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["sentence"], *([row] for row in rows)])
    model = SentenceTransformer(str(plain), backend="openvino", local_files_only=True)
    model.save_pretrained(str(target))
    export_static_quantized_openvino_model(
        model, OVQuantizationConfig(num_samples=min(SAMPLES, len(rows))), str(target),
        dataset_name=str(data), dataset_config_name="default", dataset_split="train",
        column_name="sentence")


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main(*(Path(argument).absolute() for argument in sys.argv[1:4]))

"""What we write for NVIDIA is judged by NVIDIA's own parser, which needs no GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from colours import colour_network, colour_pictures

from edgecnn.export import export_onnx, quantize_onnx
from edgecnn.zoo import create, list_models
from edgecnn.zoo.origin import new_card

trt: Any = pytest.importorskip(
    "tensorrt_rtx", reason='NVIDIA\'s parser is not installed: pip install "edgecnn[rtx]"'
)


def parse_errors(path: Path) -> list[str]:
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    builder = trt.Builder(logger)
    # The parser writes into the network without keeping it alive.
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    parser.parse(path.read_bytes())
    return [parser.get_error(i).desc() for i in range(parser.num_errors)]


@pytest.mark.parametrize("name", list_models())
def test_every_exported_network_is_accepted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "float.onnx"
    export_onnx(create(name, classes=3), new_card(name, ("a", "b", "c"), {}), path)
    assert parse_errors(path) == []


def test_int8_for_tensorrt_is_accepted_and_int8_for_the_cpu_is_not(tmp_path: Path) -> None:
    path = colour_network(tmp_path / "float.onnx")
    for target in ("cpu", "tensorrt"):
        quantize_onnx(path, colour_pictures(60, 40), tmp_path / f"{target}.onnx", target=target)
    assert parse_errors(tmp_path / "tensorrt.onnx") == []
    assert "zero point" in parse_errors(tmp_path / "cpu.onnx")[0]

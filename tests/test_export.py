"""Export with proof: what torch says is what the file says, or there is no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgecnn.card import Card, Preprocess
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.export import compare, export_onnx
from edgecnn.export.check import probe_frames
from edgecnn.onnxfile import read_card
from edgecnn.runtime import load
from edgecnn.runtime.pipeline import Pipeline
from edgecnn.torch_session import TorchSession

HOW = Preprocess(size=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
CARD = Card(name="toy", task="classify", preprocess=HOW, labels=("a", "b", "c", "d"))


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


class Noisy(Toy):
    """Gives other answers in ONNX: its noise is drawn while it is exported."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + torch.rand(4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("export") / "toy.onnx"
    network = Toy()
    export_onnx(network, CARD, path)
    return network, path


def test_probe_pictures_are_of_every_awkward_kind() -> None:
    shapes = {name: frame.shape for name, frame in probe_frames()}
    assert set(shapes) == {
        "alpha.png", "cmyk.jpg", "grey.png", "huge.jpg", "rotated.jpg", "tiny.png", "wide.jpg",
    }  # fmt: skip
    assert shapes["tiny.png"] == (5, 8, 3)
    assert shapes["huge.jpg"] == (4096, 3072, 3)
    # Stored 160×240 upright; EXIF says "turn": seen 240 wide.
    assert shapes["rotated.jpg"] == (160, 240, 3)


def test_the_file_gives_torchs_answers_at_batches_the_exporter_never_saw(
    exported: tuple[nn.Module, Path],
) -> None:
    network, path = exported
    frames = [np.asarray(frame) for _, frame in probe_frames()]
    agreement = compare(Pipeline(TorchSession(network, CARD)), load(path), frames, (3, 7))
    assert agreement.agreement == 1
    assert agreement.max_error < 1e-5


def test_one_file_dynamic_batch_capped_opset(exported: tuple[nn.Module, Path]) -> None:
    path = exported[1]
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.name for entry in path.parent.iterdir()] == ["toy.onnx"]
    assert model.opset_import[0].version == 20
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_file_tells_nothing_about_the_machine_that_made_it(
    exported: tuple[nn.Module, Path],
) -> None:
    content = exported[1].read_bytes()
    assert b"stack_trace" not in content
    assert str(Path(__file__).parents[1]).encode() not in content


def test_layers_are_called_as_in_torch(exported: tuple[nn.Module, Path]) -> None:
    names = {node.name for node in onnx.load(exported[1]).graph.node}
    assert {"conv", "head"} <= names


def test_the_proof_is_in_the_card(exported: tuple[nn.Module, Path]) -> None:
    card = read_card(exported[1])
    proof = card.proofs[-1]
    assert proof.kind == "export"
    assert proof.source == f"torch {torch.__version__}"
    assert (proof.samples, proof.agreement) == (7, 1.0)
    assert proof.details["batches"] == [1, 2, 5]
    assert len(card.provenance["weights_sha256"]) == 64


def test_a_network_that_changes_in_onnx_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "noisy.onnx"
    path.write_bytes(b"earlier")
    with pytest.raises(EdgecnnError, match="was not written: PyTorch and ONNX differ"):
        export_onnx(Noisy(), CARD, path)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_what_torch_cannot_export_is_one_line(tmp_path: Path) -> None:
    class Stubborn(Toy):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) if x.sum().item() > 0 else x

    with pytest.raises(EdgecnnError, match="torch cannot export Stubborn") as caught:
        export_onnx(Stubborn(), CARD, tmp_path / "x.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    network = Toy()
    with torch.no_grad():
        network.conv.weight[0] = float("nan")
    with pytest.raises(EdgecnnError, match="NaN"):
        export_onnx(network, CARD, tmp_path / "nan.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", [17, 28])
def test_opset_is_capped(opset: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected 18 to 22"):
        export_onnx(Toy(), CARD, tmp_path / "x.onnx", opset=opset)


def test_networks_of_different_outputs_are_not_comparable(exported: tuple[nn.Module, Path]) -> None:
    other = nn.Sequential(Toy(), nn.Linear(4, 2))
    frames = [np.asarray(frame) for _, frame in probe_frames()]
    with pytest.raises(EdgecnnError, match="different shapes"):
        compare(load(exported[1]), Pipeline(TorchSession(other, CARD)), frames)

"""Training: real digits, the same numbers again, Ctrl-C, resuming, and what goes wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgecnn.card import Card, Preprocess
from edgecnn.cli import main
from edgecnn.data import Dataset, open_dataset
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.export import export_onnx
from edgecnn.export.check import probe_frames
from edgecnn.runtime import load
from edgecnn.runtime.preprocess import preprocess
from edgecnn.runtime.sources import UnreadableWarning
from edgecnn.train import train, untrained
from edgecnn.training.augment import shifted
from edgecnn.training.epoch import Epoch
from edgecnn.training.recipe import SCHEDULES, Recipe
from edgecnn.training.samples import Samples
from edgecnn.zoo import create, model_entry
from edgecnn.zoo.checkpoint import load_checkpoint

State = dict[str, torch.Tensor]


def bar_frame(upright: bool, i: int) -> np.ndarray:
    """A white bar on noise, upright or lying: two classes that LeNet learns at once."""
    rng = np.random.default_rng((int(upright), i))
    frame = rng.integers(0, 60, (28, 28, 3), np.uint8)
    place = int(rng.integers(6, 20))
    frame[2:26, place : place + 3] = 255
    return frame if upright else np.ascontiguousarray(frame.transpose(1, 0, 2))


def read_bar(start: int, i: int) -> np.ndarray:
    return bar_frame(i % 2 == 1, start + i)


def bars(count: int, start: int = 0) -> Dataset:
    names = tuple(f"{i}" for i in range(count))
    targets = np.arange(count, dtype=np.int64) % 2
    return Dataset("bars", ("lying", "upright"), targets, partial(read_bar, start), names)


TRAIN, TEST = bars(64), bars(32, start=1000)
HOW = model_entry("lenet5").preprocess
QUICK = Recipe(epochs=3, batch_size=16)


def trained(path: Path, recipe: Recipe = QUICK, **options: bool) -> State:
    network, card = untrained("lenet5", TRAIN.labels, seed=recipe.seed)
    train(network, card, TRAIN, TEST, path, recipe, **options)
    return network.state_dict()


def interrupted(data: Dataset, reads: int) -> Dataset:
    """Ctrl-C comes when so many frames have been read."""
    count = iter(range(reads))

    def read(i: int) -> np.ndarray:
        if next(count, None) is None:
            raise KeyboardInterrupt
        return data.read(i)

    return replace(data, read=read)


def stopped(path: Path, epochs: int) -> None:
    """QUICK, stopped while the epoch after `epochs` is tested."""
    network, card = untrained("lenet5", TRAIN.labels)
    with pytest.raises(KeyboardInterrupt):
        train(network, card, TRAIN, interrupted(TEST, epochs * len(TEST)), path, QUICK)


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def folder(root: Path) -> Path:
    for part, start, count in (("train", 0, 20), ("test", 1000, 6)):
        for i in range(count):
            path = root / part / ("lying", "upright")[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(bar_frame(i % 2 == 1, start + i)).save(path)
    return root


# --- real digits


@pytest.fixture(scope="module")
def digits() -> tuple[Dataset, Dataset]:
    train_set, test_set = open_dataset("mnist", "train"), open_dataset("mnist", "test")
    return train_set.subset(range(10_000)), test_set.subset(range(2_000))


@pytest.fixture(scope="module")
def reader(
    digits: tuple[Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Epoch]]:
    path = tmp_path_factory.mktemp("lenet") / "lenet.pt"
    network, card = untrained("lenet5", digits[0].labels)
    _, history = train(network, card, *digits, path, Recipe(epochs=3, batch_size=64))
    return path, history


@pytest.mark.network
def test_three_epochs_of_10000_digits_name_94_of_100(reader: tuple[Path, list[Epoch]]) -> None:
    _, history = reader
    assert [epoch.number for epoch in history] == [1, 2, 3]
    assert history[-1].loss < history[0].loss
    assert history[-1].tested == 2_000
    assert history[-1].accuracy >= 0.94


@pytest.mark.network
def test_the_accuracy_said_is_that_of_the_exported_file(
    reader: tuple[Path, list[Epoch]], digits: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    path, history = reader
    export_onnx(*load_checkpoint(path), tmp_path / "lenet.onnx")
    device, test_set = load(tmp_path / "lenet.onnx"), digits[1]
    answers = [int(device(frame).top(1)[0][0]) for frame, _ in test_set]
    device.close()
    assert int((np.array(answers) == test_set.targets).sum()) == history[-1].correct


@pytest.mark.network
def test_the_card_says_how_it_was_trained(reader: tuple[Path, list[Epoch]]) -> None:
    path, history = reader
    _, card = load_checkpoint(path)
    assert card.labels == tuple("0123456789")
    facts = card.provenance
    assert (facts["architecture"], facts["data"], facts["epochs"]) == ("lenet5", "mnist-train", 3)
    assert (facts["training_pictures"], facts["seed"], facts["batch_size"]) == (10_000, 0, 64)
    assert facts["test_accuracy"] == history[-1].accuracy
    assert f"torch {torch.__version__}" in facts["trained_with"]
    (proof,) = card.proofs
    assert (proof.kind, proof.source, proof.samples) == ("train", "labels of mnist-test", 2_000)
    assert proof.accuracy_after == history[-1].accuracy


# --- the same again


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first = trained(tmp_path / "a.pt")
    torch.rand(7)  # What the program drew before must not matter.
    assert same(first, trained(tmp_path / "b.pt"))
    assert not same(first, trained(tmp_path / "c.pt", replace(QUICK, seed=1)))


def test_resuming_gives_the_weights_of_a_training_that_never_stopped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = trained(tmp_path / "whole.pt")
    path = tmp_path / "lenet.pt"
    stopped(path, epochs=2)
    said = capfd.readouterr().err
    assert re.search(r"^stopped; \S+lenet.pt holds epoch 2 of 3 .*--resume", said, re.MULTILINE)
    halfway, card = load_checkpoint(path)
    assert card.provenance["epochs"] == 2
    assert not same(halfway.state_dict(), expected)

    assert same(trained(path, resume=True), expected)
    assert same(load_checkpoint(path)[0].state_dict(), expected)
    # Done: nothing is left to resume.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lenet.pt", "whole.pt"]


def test_a_network_with_dropout_resumes_alike(tmp_path: Path) -> None:
    class Dropping(torch.nn.Sequential):
        def __init__(self) -> None:
            super().__init__(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(64, 2))

    how = Preprocess(size=(8, 8), color="gray", mean=(0.5,), std=(0.5,))
    card = Card(name="dropping", task="classify", preprocess=how, labels=TRAIN.labels)

    def run(path: Path, test_set: Dataset, resume: bool = False) -> State:
        torch.manual_seed(3)
        network = Dropping()
        train(network, card, TRAIN, test_set, path, QUICK, resume=resume)
        return network.state_dict()

    expected = run(tmp_path / "whole.pt", TEST)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "half.pt", interrupted(TEST, len(TEST)))
    assert same(run(tmp_path / "half.pt", TEST, resume=True), expected)


def test_stopped_before_the_first_epoch_is_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stopped(tmp_path / "lenet.pt", epochs=0)
    assert "lenet.pt was not written" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_resuming_nothing_or_something_else_is_refused(tmp_path: Path) -> None:
    path, state = tmp_path / "lenet.pt", tmp_path / "lenet.pt.resume"
    with pytest.raises(UsageError, match="no training to resume"):
        trained(path, resume=True)
    stopped(path, epochs=1)
    other = replace(QUICK, epochs=9, lr=0.01)
    with pytest.raises(UsageError, match=r"with epochs 3, lr 0\.003; now it is epochs 9, lr 0\.01"):
        trained(path, other, resume=True)
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(EdgecnnError, match="is damaged"):
        trained(path, resume=True)


# --- the command line


def test_a_folder_with_one_subfolder_per_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, path = folder(tmp_path / "album"), tmp_path / "bars.pt"
    (data / "train" / "lying" / "cut.png").write_bytes(
        (data / "train" / "lying" / "0.png").read_bytes()[:300]
    )
    argv = ["train", "lenet5_relu", "--data", str(data), "-o", str(path), "--epochs", "6",
            "--batch-size", "5", "--lr", "0.01", "--json"]  # fmt: skip
    assert main(argv) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert len(document["epochs"]) == 6
    assert document["test_accuracy"] == document["epochs"][-1]["correct"] / 6 == 1
    assert document["card"]["provenance"]["data"] == "album/train"
    assert "warning: left out" in said.err
    network, card = load_checkpoint(path)
    assert card.labels == ("lying", "upright")
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 2)


def test_ctrl_c_leaves_a_checkpoint_that_loads(tmp_path: Path) -> None:
    data, path = folder(tmp_path / "album"), tmp_path / "bars.pt"
    command = [sys.executable, "-m", "edgecnn", "train", "lenet5", "--data", str(data),
               "-o", str(path), "--epochs", "100000"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("epoch 2 of"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    stopped = re.search(r"^stopped; \S+bars.pt holds epoch (\d+) of 100000", err, re.MULTILINE)
    assert stopped
    _, card = load_checkpoint(path)
    assert card.provenance["epochs"] in (int(stopped[1]), int(stopped[1]) + 1)
    assert (tmp_path / "bars.pt.resume").exists()


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    path = tmp_path / "lenet.pt"
    trained(path)
    kept = path.read_bytes()
    with pytest.raises(EdgecnnError, match=r"loss became (nan|inf) in epoch 1, batch \d.*1e\+20"):
        trained(path, replace(QUICK, lr=1e20, schedule="constant"))
    assert path.read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "--data", "bars"], "no folder or data set"),
        (["lenet", "--data", "ALBUM"], "did you mean 'lenet5'"),
        (["lenet5", "--data", "ALBUM/test"], "not divided"),
        (["lenet5", "--data", "ALBUM", "-o", "a.onnx"], "expected a .pt file"),
        (["lenet5", "--data", "ALBUM", "-o", "no/such/folder/a.pt"], "cannot be written"),
        (["lenet5", "--data", "ALBUM", "--device", "tpu9"], "device 'tpu9' does not come up"),
        (["lenet5", "--data", "ALBUM", "--weights", "imagenet"], "weights for lenet5"),
        (["lenet5", "--data", "ALBUM", "--epochs", "0"], "epochs is 0; expected 1 or more"),
        (["lenet5", "--data", "ALBUM", "--lr", "nan"], "lr is nan"),
        (["lenet5", "--data", "ALBUM", "--weight-decay", "-1"], "weight_decay is -1.0"),
        (["lenet5", "--data", "ALBUM", "--optimizer", "adam"], "did you mean 'adamw'"),
        (["lenet5", "--data", "ALBUM", "--schedule", "cosine"], "no schedule 'cosine'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder(tmp_path / "ALBUM")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-o", "a.pt", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[-1]
    assert not list(tmp_path.glob("a.*"))


def test_help_states_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    stated = " ".join(capsys.readouterr().out.partition("options:")[2].split())
    for field in fields(Recipe):
        option = re.search(rf"--{field.name.replace('_', '-')} .*?default ([\w.-]*\w)", stated)
        assert option
        assert option[1] == str(field.default)


def test_one_class_is_nothing_to_learn() -> None:
    with pytest.raises(UsageError, match="has 1 classes; expected at least 2"):
        untrained("lenet5", ("cat",))


@pytest.mark.network
def test_published_weights_keep_all_but_the_layer_of_the_classes() -> None:
    network, card = untrained("mobilenet_v2", ("cat", "dog", "owl"), weights="imagenet")
    published = create("mobilenet_v2", weights="imagenet").state_dict()
    state = network.state_dict()
    changed = [key for key in state if not torch.equal(state[key], published[key])]
    assert changed == ["classifier.1.weight", "classifier.1.bias"]
    assert state["classifier.1.weight"].shape == (3, 1280)
    assert card.provenance["weights"] == "mobilenet_v2.imagenet"


@pytest.mark.network
def test_published_weights_learn_two_pictures_apart_in_a_few_steps(tmp_path: Path) -> None:
    photos = dict(probe_frames())
    sides = (photos["wide.jpg"], photos["huge.jpg"][::4, ::4])

    def crop(i: int) -> np.ndarray:
        photo, rng = sides[i % 2], np.random.default_rng(i)
        top, left = rng.integers(0, 100, 2)
        return np.ascontiguousarray(photo[top : top + 180, left : left + 240])

    data = Dataset("crops", ("cat", "astronaut"), np.arange(40) % 2, crop, ("",) * 40)
    network, card = untrained("mobilenet_v2", data.labels, weights="imagenet")
    recipe = Recipe(epochs=1, batch_size=6, lr=1e-3)
    _, (epoch,) = train(network, card, *data.split(0.6), tmp_path / "two.pt", recipe)
    assert epoch.tested == 16
    assert epoch.correct >= 15


# --- what a batch is made of


def test_batches_are_the_same_from_memory_and_from_the_files() -> None:
    kept, streamed = Samples(TRAIN, HOW), Samples(TRAIN, HOW, limit_bytes=0)
    indices = np.array([5, 2, 60])
    images, targets = kept(indices)
    np.testing.assert_array_equal(images, preprocess([TRAIN.read(i) for i in (5, 2, 60)], HOW))
    assert targets.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(streamed(indices)[0], images)
    np.testing.assert_array_equal(streamed(indices)[1], targets)


def test_unreadable_pictures_are_left_out_of_batches() -> None:
    def half(i: int) -> np.ndarray:
        if i < 32:
            raise EdgecnnError(f"{i}.png is truncated.")
        return TRAIN.read(i)

    data = replace(TRAIN, read=half)
    with pytest.warns(UnreadableWarning, match="truncated"):
        assert len(Samples(data, HOW)) == 32
    streamed = Samples(data, HOW, limit_bytes=0)
    with pytest.warns(UnreadableWarning, match="truncated"):
        images, targets = streamed(np.array([3, 33, 40]))
    assert images.shape == (2, 1, 32, 32)
    assert targets.tolist() == [1, 0]


def test_a_shift_moves_each_picture_and_repeats_its_edge() -> None:
    images = np.arange(2 * 3 * 5 * 4, dtype=np.float32).reshape(2, 3, 5, 4)
    moved = shifted(images, 1, np.random.default_rng(0))
    corners = np.random.default_rng(0).integers(0, 3, (2, 2))
    for image, out, (top, left) in zip(images, moved, corners.T, strict=True):
        rows = np.clip(np.arange(5) + top - 1, 0, 4)
        columns = np.clip(np.arange(4) + left - 1, 0, 3)
        np.testing.assert_array_equal(out, image[:, rows][:, :, columns])
    last = np.ascontiguousarray(np.moveaxis(images, 1, 3))
    again = shifted(last, 1, np.random.default_rng(0), layout="nhwc")
    np.testing.assert_array_equal(np.moveaxis(again, 3, 1), moved)


def test_one_cycle_climbs_for_a_fifth_and_falls_to_nothing() -> None:
    shares = [SCHEDULES["one-cycle"](progress) for progress in (0, 0.1, 0.2, 0.6, 1)]
    assert shares == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert SCHEDULES["constant"](0.7) == 1


def test_sgd_learns_too(tmp_path: Path) -> None:
    network, card = untrained("lenet5_relu", TRAIN.labels)
    recipe = Recipe(epochs=12, batch_size=8, optimizer="sgd", lr=0.05, schedule="constant")
    _, history = train(network, card, TRAIN, TEST, tmp_path / "sgd.pt", recipe)
    assert history[-1].loss < 0.5 * history[0].loss
    assert history[-1].accuracy == 1

"""What several tests start from: the command, a model, a photo, pictures, a folder of results."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import EARLIER, Command, Done


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process; also what engines print past Python is seen."""

    def run(*argv: str | Path) -> Done:
        from edgecnn.cli import main

        capfd.readouterr()
        with warnings.catch_warnings():
            code = main([str(word) for word in argv])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Says which of red, green and blue is strongest."""
    from tiny import tiny_onnx

    return tiny_onnx(tmp_path / "tiny.onnx")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A red picture."""
    import cv2
    from tiny import plain_frame

    path = tmp_path / "red.png"
    cv2.imwrite(str(path), plain_frame("red"))
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled folder of 24 pictures."""
    import cv2
    from colours import LABELS, colour_pictures

    folder = tmp_path_factory.mktemp("pictures")
    for i, (frame, target) in enumerate(colour_pictures(24, 40)):
        place = folder / LABELS[target or 0]
        place.mkdir(exist_ok=True)
        cv2.imwrite(str(place / f"{i}.png"), frame)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for results with an earlier one of each kind; the test must leave it as it is."""
    folder = tmp_path / "out"
    folder.mkdir()
    before = {f"earlier{suffix}": EARLIER for suffix in (".onnx", ".jsonl", ".png", ".mp4", ".pt")}
    for name, content in before.items():
        (folder / name).write_bytes(content)
    yield folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture(scope="session")
def pt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of three classes as `edgecnn train` writes it."""
    from edgecnn.zoo import create
    from edgecnn.zoo.checkpoint import save_checkpoint
    from edgecnn.zoo.origin import new_card

    path = tmp_path_factory.mktemp("pt") / "lenet.pt"
    save_checkpoint(path, create("lenet5", classes=3), new_card("lenet5", ("a", "b", "c"), {}))
    return path

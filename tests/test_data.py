"""Data sets: the numbers everybody knows of MNIST, folders of pictures, splits, class names."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgecnn.assets import fetch
from edgecnn.data import Dataset, list_datasets, open_dataset
from edgecnn.data.imagenet import imagenet_labels
from edgecnn.data.mnist import read_idx
from edgecnn.data.split import split_indices
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.sources import UnreadableWarning


def number(i: int) -> np.ndarray:
    """A 1×1 frame whose pixel is `i`: shows which frame was read."""
    return np.full((1, 1, 3), i, np.uint8)


def numbers(targets: list[int] | None, labels: tuple[str, ...] = ("a", "b", "c")) -> Dataset:
    count = 10 if targets is None else len(targets)
    return Dataset(
        "numbers",
        () if targets is None else labels,
        None if targets is None else np.array(targets, np.int64),
        number,
        tuple(f"{i}.png" for i in range(count)),
    )


def picture(path: Path, colour: tuple[int, int, int] = (255, 0, 0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)
    return path


# --- MNIST and the 50 pictures


@pytest.mark.network
def test_mnist_has_the_numbers_everybody_knows() -> None:
    train, test = open_dataset("mnist", "train"), open_dataset("mnist")
    assert (len(train), len(test)) == (60000, 10000)
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(test.targets).tolist() == counts
    assert (train[0][0].shape, train[0][0].dtype) == ((28, 28, 3), np.uint8)
    pixels = np.stack([train.read(i)[:, :, i % 3] for i in range(len(train))])
    shares = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    mean = (shares * np.arange(256)).sum() / 255
    deviation = np.sqrt((shares * (np.arange(256) / 255 - mean) ** 2).sum())
    assert (round(mean, 4), round(deviation, 4)) == (0.1307, 0.3081)
    # The first digits of the training set, as in every tutorial.
    assert train.targets[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert test.names[17] == "mnist-test/17"
    assert train.labels == tuple("0123456789")


@pytest.mark.network
def test_mnist_is_the_original_byte_for_byte() -> None:
    # The MD5 sums by which torchvision knows the authors' files.
    published = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    folder = fetch("mnist")
    assert {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()} == published


@pytest.mark.network
def test_imagenet_50_is_labelled_by_index() -> None:
    pictures = open_dataset("imagenet-50")
    assert len(pictures) == 50
    assert pictures.labels == imagenet_labels()
    assert {frame.shape for frame, _ in pictures} == {(400, 400, 3)}
    i = pictures.names.index("fffffbf406070010_0670.png")
    assert pictures[i][1] == 670
    assert pictures.labels[670] == "motor scooter"
    with pytest.raises(UsageError, match="has no 'train' split"):
        open_dataset("imagenet-50", "train")


def test_imagenet_labels_are_in_the_order_of_the_pretrained_networks() -> None:
    labels = imagenet_labels()
    assert len(labels) == 1000
    cats = ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")
    assert labels[281:286] == cats
    assert (labels[0], labels[89], labels[985]) == ("tench", "sulphur-crested cockatoo", "daisy")
    assert all(label == label.strip() != "" for label in labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "truncated: 3 of 5 bytes"),
        (b"\0\0\x0d\x01\0\0\0\x05abcde", "no IDX file of bytes"),
        (b"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01", "it is damaged"),
        (b"\0\0\x08\x03\0\0", "cannot be read|it is damaged"),
    ],
)
def test_damaged_idx_files_are_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(EdgecnnError, match=message):
        read_idx(path)


def test_a_file_that_is_not_gzip_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(b"hello")
    with pytest.raises(EdgecnnError, match="cannot be read: Not a gzipped file"):
        read_idx(path)


# --- folders


def test_a_folder_with_subfolders_is_labelled(tmp_path: Path) -> None:
    picture(tmp_path / "red" / "a10.png", (255, 0, 0))
    picture(tmp_path / "red" / "deeper" / "z.JPG", (255, 0, 0))
    picture(tmp_path / "red" / "a9.png", (255, 0, 0))
    picture(tmp_path / "blue" / "b.bmp", (0, 0, 255))
    picture(tmp_path / ".hidden" / "h.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "red" / "notes.txt").write_text("not a picture by its name")
    found = open_dataset(tmp_path)
    assert found.labels == ("blue", "red")
    assert found.names == ("blue/b.bmp", "red/a9.png", "red/a10.png", "red/deeper/z.JPG")
    assert found.targets is not None
    assert found.targets.tolist() == [0, 1, 1, 1]
    assert found.targets.dtype == np.int64
    frame, target = found[1]
    assert (frame.shape, frame.dtype, target) == ((6, 8, 3), np.uint8, 1)
    assert frame[0, 0].tolist() == [0, 0, 255]  # red, in BGR


def test_a_flat_folder_is_unlabelled(tmp_path: Path) -> None:
    picture(tmp_path / "b.png")
    picture(tmp_path / "a.webp")
    found = open_dataset(str(tmp_path))
    assert (found.labels, found.targets, found.names) == ((), None, ("a.webp", "b.png"))
    assert [target for _, target in found] == [None, None]


def test_numbered_class_folders_are_in_order_of_value(tmp_path: Path) -> None:
    for name in ("10", "9", "100"):
        picture(tmp_path / name / "x.png")
    assert open_dataset(tmp_path).labels == ("9", "10", "100")


def test_a_divided_folder_numbers_its_classes_over_both_parts(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "a" / "1.png")
    picture(tmp_path / "train" / "b" / "1.png")
    picture(tmp_path / "val" / "b" / "2.png")
    train, test = open_dataset(tmp_path, "train"), open_dataset(tmp_path)
    assert train.labels == test.labels == ("a", "b")
    assert test.targets is not None
    assert (test.names, test.targets.tolist()) == (("b/2.png",), [1])


def test_an_undivided_folder_is_not_for_training(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    with pytest.raises(UsageError, match="is not divided"):
        open_dataset(tmp_path, "train")


def test_an_album_with_one_subfolder_has_no_classes(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    picture(tmp_path / "edited" / "1.png")
    with pytest.warns(UnreadableWarning, match="subfolder 'edited' are left out"):
        found = open_dataset(tmp_path)
    assert (found.labels, found.names) == ((), ("1.png",))


def test_files_that_are_no_pictures_are_left_out_with_one_warning(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "renamed.jpg").write_text("hello")
    with pytest.warns(UnreadableWarning, match="2 of 3 pictures left out; the first:") as seen:
        found = open_dataset(tmp_path)
    assert (len(seen), found.names) == (1, ("good.png",))


def test_a_truncated_picture_is_left_out_of_a_walk_and_named_when_asked_for(tmp_path: Path) -> None:
    picture(tmp_path / "good.png")
    bad = picture(tmp_path / "bad.png")
    bad.write_bytes(bad.read_bytes()[:-20])
    found = open_dataset(tmp_path)
    assert found.names == ("bad.png", "good.png")
    with pytest.warns(UnreadableWarning, match=r"left out: .*bad\.png"):
        assert len(list(found)) == 1
    with pytest.raises(EdgecnnError, match=r"bad\.png"):
        found[0]


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("mnits", UsageError, "did you mean 'mnist'"),
        ("/nowhere", UsageError, "no folder or data set '/nowhere'"),
        (__file__, UsageError, "is a file; expected a folder"),
    ],
)
def test_unknown_data_is_named(spec: str, error: type[EdgecnnError], message: str) -> None:
    with pytest.raises(error, match=message):
        open_dataset(spec)


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(EdgecnnError, match="holds no picture"):
        open_dataset(tmp_path)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(UsageError, match="no split 'tset'; did you mean 'test'"):
        open_dataset("mnist", "tset")


def test_sources_are_found_by_file_name() -> None:
    assert list_datasets() == ["imagenet-50", "mnist"]


# --- subsets, splits, class names


def test_a_dataset_is_a_sequence() -> None:
    found = numbers([0, 1, 2, 0])
    assert [(int(f[0, 0, 0]), t) for f, t in found] == [(0, 0), (1, 1), (2, 2), (3, 0)]
    assert found[-1][1] == 0
    with pytest.raises(IndexError):
        found[4]


def test_a_subset_keeps_frames_targets_and_names_together() -> None:
    found = numbers([0, 1, 2, 0]).subset([3, 1]).subset([1])
    assert [(int(f[0, 0, 0]), t) for f, t in found] == [(1, 1)]
    assert found.names == ("1.png",)
    with pytest.raises(IndexError):
        found.subset([1])


def test_a_dataset_travels_to_another_process() -> None:
    found = pickle.loads(pickle.dumps(numbers([0, 1, 2, 0]).split(0.5)[0]))
    assert len(found) == 2
    assert int(found[0][0][0, 0, 0]) == int(found.names[0].removesuffix(".png"))


def test_a_split_is_the_same_for_the_same_seed() -> None:
    found = numbers([0, 1] * 50)
    first, second = found.split(0.3, seed=7)
    assert (len(first), len(second)) == (30, 70)
    assert first.names == found.split(0.3, seed=7)[0].names
    assert first.names != found.split(0.3, seed=8)[0].names
    assert {*first.names, *second.names} == {*found.names}


def test_a_split_keeps_the_classes_shares() -> None:
    found = numbers([0] * 600 + [1] * 300 + [2] * 4)
    first, second = found.split(0.1)
    assert np.bincount(first.targets).tolist() == [59, 30, 1]
    assert np.bincount(second.targets).tolist() == [541, 270, 3]
    # Not class after class: the first frames are a sample of all.
    assert {0, 1} <= set(first.targets[:20].tolist())


def test_single_pictures_of_a_class_are_split_without_regard_to_class() -> None:
    first, second = numbers([0, 1, 2]).split(0.67)
    assert (len(first), len(second)) == (2, 1)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
def test_a_split_at_nothing_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError, match="a fraction between 0 and 1"):
        numbers([0, 1]).split(fraction)


@given(
    targets=st.none() | st.lists(st.integers(0, 5), min_size=2, max_size=60),
    fraction=st.floats(0.001, 0.999),
    seed=st.integers(0, 3),
)
def test_every_split_holds_every_frame_once(
    targets: list[int] | None, fraction: float, seed: int
) -> None:
    count = 13 if targets is None else len(targets)
    classes = None if targets is None else np.array(targets, np.int64)
    first, second = split_indices(count, classes, fraction, seed)
    assert sorted([*first, *second]) == list(range(count))
    assert len(first) == min(max(round(fraction * count), 1), count - 1)
    if classes is None or np.unique(classes, return_counts=True)[1].min() < 2:
        return
    kinds = set(classes.tolist())
    if len(kinds) <= len(first) <= count - len(kinds):
        assert set(classes[first].tolist()) == set(classes[second].tolist()) == kinds


def test_matched_renumbers_to_the_models_labels() -> None:
    found = numbers([0, 1, 2, 1], labels=("tabby", "daisy", "Egyptian_cat"))
    matched = found.matched(imagenet_labels())
    assert matched.targets is not None
    assert matched.targets.tolist() == [281, 985, 285, 985]
    assert matched.labels == imagenet_labels()


def test_matched_takes_numbers_as_indices_and_repeated_labels_by_number() -> None:
    model = ("crane", "heron", "crane")
    with pytest.raises(UsageError, match=r"1 of 1 classes match none or several .*: 'crane'"):
        numbers([0, 0], labels=("crane",)).matched(model)
    matched = numbers([0, 1], labels=("0", "002")).matched(model)
    assert matched.targets is not None
    assert matched.targets.tolist() == [0, 2]
    with pytest.raises(UsageError, match="'3'"):
        numbers([0, 1], labels=("0", "3")).matched(model)


def test_matched_prefers_a_label_that_is_a_number_to_an_index() -> None:
    matched = numbers([0, 1], labels=("7", "3")).matched(("3", "7"))
    assert matched.targets is not None
    assert matched.targets.tolist() == [1, 0]


def test_matched_tells_small_from_capital_letters_where_the_model_does() -> None:
    matched = numbers([0, 1], labels=("a", "A")).matched(("A", "a"))
    assert matched.targets is not None
    assert matched.targets.tolist() == [1, 0]


def test_matched_names_what_does_not_match() -> None:
    with pytest.raises(UsageError, match=r"2 of 3 classes .*: 'b', 'c'\. Name the folders"):
        numbers([0, 1, 2]).matched(("a", "x"))
    with pytest.raises(UsageError, match="has no labels"):
        numbers(None).matched(("a",))


def test_matched_ignores_classes_without_frames() -> None:
    assert numbers([0, 0]).matched(("x", "a")).targets.tolist() == [1, 1]


def test_targets_must_fit() -> None:
    with pytest.raises(EdgecnnError, match=r"targets 0\.\.3 for 3 labels"):
        numbers([0, 3])


def test_opening_named_data_needs_neither_torch_nor_opencv() -> None:
    code = (
        "import sys, edgecnn.data as d; d.list_datasets(); print({'torch', 'cv2'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

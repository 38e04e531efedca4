"""Sinks: what is written can be read back, and a failure leaves the earlier file alone."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.results import Classes
from edgecnn.runtime.sinks import list_sinks, open_sink
from edgecnn.runtime.sources import Frame, count, fps, frames

RESULT = Classes(np.array([0.02, 0.93, 0.05], np.float32), ("lynx", "tabby", "fox"))
TEXT = "tabby 0.93, fox 0.05, lynx 0.02"


def grey(level: int, size: tuple[int, int] = (48, 64), source: str = "clip.mp4", index: int = 0):
    return Frame(np.full((*size, 3), level, np.uint8), source, index, index / 25)


def brighter(frame: Frame, result: Classes) -> np.ndarray:
    return np.asarray(frame) + np.uint8(100 * result.probabilities[1])


class Interrupted(Exception):
    """Something goes wrong in the middle of a run."""


# --------------------------------------------------------------------- videos


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["out.mp4", "out.webm"])
def test_video_holds_every_drawn_frame(name, tmp_path, capfd):
    path = tmp_path / name
    with open_sink(path, draw=brighter, fps=12.5) as sink:
        for index in range(12):
            sink.write(grey(10 * index, index=index), RESULT)
    found = list(frames(path))
    assert [frame.mean() for frame in found] == pytest.approx(
        [10 * i + 93 for i in range(12)], abs=4
    )
    assert (count(path), fps(path), found[0].shape) == (12, pytest.approx(12.5), (48, 64, 3))
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr().err == ""


def test_odd_sizes_grow_by_one_repeated_row_and_column(tmp_path):
    picture = np.zeros((47, 63, 3), np.uint8)
    picture[-1], picture[:, -1] = 200, 200
    with open_sink(tmp_path / "out.mp4") as sink:
        for index in range(5):
            sink.write(Frame(picture, "clip.mp4", index), RESULT)
    frame = list(frames(tmp_path / "out.mp4"))[-1]
    assert frame.shape == (48, 64, 3)
    assert frame[-1, 5:-5].mean() == pytest.approx(200, abs=30)
    assert frame[10:20, 10:20].mean() == pytest.approx(0, abs=10)


def test_a_later_frame_of_another_size_is_fitted_whole_onto_black(tmp_path):
    with open_sink(tmp_path / "out.mp4") as sink:
        sink.write(grey(200, (48, 64)), RESULT)
        for index in range(1, 6):
            sink.write(grey(200, (96, 64), index=index), RESULT)
    last = list(frames(tmp_path / "out.mp4"))[-1]
    # 96×64 scaled to 48×32 stands in the middle of 64 columns.
    assert last.shape == (48, 64, 3)
    assert last[:, 20:44].mean() == pytest.approx(200, abs=8)
    assert max(last[:, :12].mean(), last[:, 52:].mean()) < 8


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 300)])
def test_tiny_frames_make_a_video_too(size, tmp_path):
    with open_sink(tmp_path / "out.mp4") as sink:
        sink.write(grey(90, size), RESULT)
    assert len(list(frames(tmp_path / "out.mp4"))) == 1


def test_without_a_frame_there_is_no_video_but_an_error(tmp_path):
    with pytest.raises(EdgecnnError, match="no frame came for"), open_sink(tmp_path / "a.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_noticed(tmp_path):
    """OpenCV's writer says nothing when the disk is full; a limit on file size stands in."""
    script = (
        "import resource, sys, numpy as np\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20000, {resource.RLIM_INFINITY}))\n"
        "from edgecnn.errors import EdgecnnError\n"
        "from edgecnn.runtime.sinks import open_sink\n"
        "from edgecnn.runtime.sources import Frame\n"
        "noise = np.random.default_rng(0).integers(0, 255, (15, 96, 128, 3), np.uint8)\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        with open_sink(path) as sink:\n"
        "            for index in range(15):\n"
        "                sink.write(Frame(noise[index], 'a', index), None)\n"
        "    except EdgecnnError as error:\n"
        "        print(error)\n"
    )
    paths = [tmp_path / "a.mp4", tmp_path / "a.webm"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *paths], capture_output=True, text=True, check=True
    )
    assert ran.stdout.count("Is the disk full?") == 2
    assert ran.stderr == ""
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------- failures, all files


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.png", "out.jsonl", "out.txt"])
def test_a_failure_keeps_the_earlier_file_and_success_replaces_it(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"earlier")
    with pytest.raises(Interrupted), open_sink(path) as sink:
        sink.write(grey(50), RESULT)
        raise Interrupted
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
    with open_sink(path) as sink:
        sink.write(grey(50), RESULT)
        assert path.read_bytes() == b"earlier"
    assert path.read_bytes() != b"earlier"
    sink.close()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["out.mp4", "out.png", "out.jsonl", "out.txt"])
def test_a_missing_folder_is_one_clear_line(name, tmp_path):
    with (
        pytest.raises(EdgecnnError, match=r"the folder .* does not exist") as error,
        open_sink(tmp_path / "none" / name) as sink,
    ):
        sink.write(grey(1), RESULT)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_the_source_itself_is_never_overwritten(name, tmp_path):
    source = tmp_path / name
    source.write_bytes(b"precious")
    for place in (source, f"pictures://{tmp_path}"):
        if name == "a.mp4" and place != source:
            continue
        with pytest.raises(EdgecnnError, match="is the source itself"), open_sink(place) as sink:
            sink.write(grey(1, source=str(source)), RESULT)
    assert source.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["out.mp4", "out/", "out.png"])
def test_draw_must_give_a_picture(name, tmp_path):
    with (
        pytest.raises(EdgecnnError, match=r"draw gave float64 of shape \(48, 64, 3\)"),
        open_sink(f"{tmp_path}/{name}", draw=lambda frame, _: frame / 255) as sink,
    ):
        sink.write(grey(1), RESULT)


# ------------------------------------------------------------------- pictures


def test_a_folder_gets_one_picture_a_frame(tmp_path):
    folder = tmp_path / "new" / "pictures"
    with open_sink(f"{folder}/", draw=brighter) as sink:
        sink.write(grey(10, source="a/cat.png"), RESULT)
        sink.write(grey(20, source="b/cat.png", index=1), RESULT)
        sink.write(grey(30, source="b/cat.jpg", index=2), RESULT)
        sink.write(grey(40, source="b/old.tiff", index=3), RESULT)
        sink.write(grey(50, source="my clip.mp4", index=7), RESULT)
    means = {path.name: np.asarray(Image.open(path)).mean() for path in folder.iterdir()}
    assert means == {
        "cat.png": 103,
        "cat-2.png": 113,
        "cat.jpg": pytest.approx(123, abs=1),
        "old.png": 133,
        "my_clip_000007.jpg": pytest.approx(143, abs=1),
    }


def test_pictures_stay_when_a_later_one_fails(tmp_path):
    with pytest.raises(Interrupted), open_sink(f"{tmp_path}/") as sink:
        sink.write(grey(10, source="cat.png"), RESULT)
        raise Interrupted
    assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]


def test_one_picture_is_lossless_as_png_and_close_as_jpg(tmp_path):
    scene = np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8)
    scene = cv2.resize(scene, (64, 48), interpolation=cv2.INTER_LINEAR)
    for name, tolerance in [("a.png", 0), ("a.jpg", 12), ("a.webp", 24)]:
        with open_sink(tmp_path / name) as sink:
            sink.write(Frame(scene, "cat.jpg"), RESULT)
        seen = np.asarray(Image.open(tmp_path / name).convert("RGB"))[:, :, ::-1]
        assert np.abs(seen.astype(int) - scene).max() <= tolerance


def test_a_second_frame_does_not_fit_into_one_picture(tmp_path):
    with (
        pytest.raises(EdgecnnError, match=r"holds one picture .* name a folder, .*out/"),
        open_sink(tmp_path / "out.png") as sink,
    ):
        sink.write(grey(1), RESULT)
        sink.write(grey(2, index=1), RESULT)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- lines


@pytest.mark.smoke
def test_json_lines_hold_origin_and_result(tmp_path):
    with open_sink(tmp_path / "out.jsonl") as sink:
        sink.write(grey(1, source="café.jpg"), RESULT)
        sink.write(grey(1, index=5), RESULT)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(line["source"], line["index"], line["time_s"]) for line in lines] == [
        ("café.jpg", 0, 0.0),
        ("clip.mp4", 5, 0.2),
    ]
    assert lines[0]["top"][0] == {"label": "tabby", "probability": pytest.approx(0.93, abs=1e-6)}


@pytest.mark.parametrize("uri", ["-", "json://", "jsonl://-"])
def test_json_lines_go_to_stdout_one_by_one(uri, capsys):
    with open_sink(uri) as sink:
        sink.write(grey(1), RESULT)
        assert json.loads(capsys.readouterr().out)["source"] == "clip.mp4"


def test_json_has_no_nan(tmp_path):
    broken = Classes(np.array([math.nan], np.float32), ("x",))
    with (
        pytest.raises(EdgecnnError, match=r"clip\.mp4 frame 3 is not finite"),
        open_sink(tmp_path / "out.jsonl") as sink,
    ):
        sink.write(grey(1, index=3), broken)


def test_text_names_source_time_and_answers(tmp_path, capsys):
    with open_sink(tmp_path / "out.txt") as sink:
        sink.write(grey(1, source="cat.jpg"), RESULT)
        sink.write(grey(1, index=30), RESULT)
        sink.write(grey(1, source="two\nlines\x1b[2J.jpg"), RESULT)
    assert (tmp_path / "out.txt").read_text().splitlines() == [
        f"cat.jpg: {TEXT}",
        f"clip.mp4 @1.20s: {TEXT}",
        rf"two\x0alines\x1b[2J.jpg: {TEXT}",
    ]
    with open_sink("text://") as sink:
        sink.write(grey(1, source="cat.jpg"), RESULT)
    assert capsys.readouterr().out == f"cat.jpg: {TEXT}\n"


def test_a_file_name_of_no_encoding_does_not_stop_the_text(tmp_path):
    with open_sink(tmp_path / "out.txt") as sink:
        sink.write(grey(1, source="caf\udce9.jpg"), RESULT)
    assert (tmp_path / "out.txt").read_text() == rf"caf\udce9.jpg: {TEXT}" + "\n"


# ------------------------------------------------------------- choosing a sink


def test_every_suffix_has_one_sink():
    suffixes = [suffix for kinds in list_sinks().values() for suffix in kinds]
    assert sorted(suffixes) == sorted(set(suffixes))
    assert set(list_sinks()) >= {"jsonl", "pictures", "text", "video"}


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("out.mpeg4", r"no sink for 'out.mpeg4'; end it in .*\.mp4.*, in / for a folder"),
        ("out", "no sink for 'out'; end it in"),
        ("vido://out.mp4", "no sink 'vido'; did you mean 'video'"),
        ("video://out.avi", r"names no video; end it in \.mp4, \.webm"),
        ("pictures://out.mp4", "names no picture"),
    ],
)
def test_an_unknown_kind_lists_what_exists(uri, says):
    with pytest.raises(UsageError, match=says) as error:
        open_sink(uri)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_impossible_fps_is_refused(rate, tmp_path):
    with pytest.raises(UsageError, match="fps is"):
        open_sink(tmp_path / "out.mp4", fps=rate)
    assert list(tmp_path.iterdir()) == []


def test_scheme_overrides_the_suffix(tmp_path: Path):
    with open_sink(f"jsonl://{tmp_path}/out.log") as sink:
        sink.write(grey(1), RESULT)
    assert json.loads((tmp_path / "out.log").read_text())["index"] == 0

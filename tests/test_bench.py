"""`edgecnn bench`: order, percentiles, ratios, accuracy, memory, table, chart; no real times."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import LABELS, plain_frame, tiny_onnx

from edgecnn.bench import chart, measure, memory
from edgecnn.bench.accuracy import count_correct, fair_sample
from edgecnn.bench.machine import machine, write_page
from edgecnn.bench.memory import peak_memory_mb
from edgecnn.cli import main
from edgecnn.data import Dataset, open_dataset
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime import load
from edgecnn.runtime.timing import Ratio, interleaved, paired_ratio


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_onnx(tmp_path / "tiny.onnx")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures, one of them in the wrong folder: a perfect network is right on 3 of 4."""
    for name, folder in {"red": "red", "green": "green", "blue": "blue", "blue2": "red"}.items():
        (tmp_path / "pictures" / folder).mkdir(parents=True, exist_ok=True)
        frame = plain_frame(name.rstrip("2"))
        cv2.imwrite(str(tmp_path / "pictures" / folder / f"{name}.png"), frame)
    return tmp_path / "pictures"


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the process that measures memory: it takes a second for each candidate."""
    monkeypatch.setattr("edgecnn.bench.candidates.peak_memory_mb", lambda *_: 12.0)


def clock(*durations_ms: float) -> Callable[[], int]:
    """A clock that is read at the start and at the end of runs that take these times."""
    readings = [t for ms in durations_ms for t in (0, round(ms * 1e6))]
    return partial(next, iter(readings))


# How times are taken


def test_every_round_runs_all_in_a_new_order() -> None:
    ran: list[str] = []
    interleaved([partial(ran.append, name) for name in "abcd"], 50, settle=0)
    rounds = ["".join(ran[i : i + 4]) for i in range(0, 200, 4)]
    assert all(sorted(one) == list("abcd") for one in rounds)
    assert len(set(rounds)) > 15
    # Each follows each other one now and then, so none always inherits the same cache.
    assert {(a, b) for a, b in pairwise(ran) if a != b} == {
        (a, b) for a in "abcd" for b in "abcd" if a != b
    }


def test_the_seed_decides_the_order() -> None:
    def order(seed: int) -> list[str]:
        ran: list[str] = []
        interleaved([partial(ran.append, name) for name in "abc"], 10, seed=seed)
        return ran

    assert order(1) == order(1) != order(2)


def test_settling_runs_are_not_timed() -> None:
    ran: list[str] = []
    stamps = iter(range(1000))
    timed: list[int] = []

    def read() -> int:
        timed.append(len(ran))
        return next(stamps)

    interleaved([partial(ran.append, "a")], 3, settle=2, clock_ns=read)
    # Runs done at the start and at the end of each timed one.
    assert timed == [2, 3, 5, 6, 8, 9]


def test_times_are_sorted_back_to_their_candidates() -> None:
    now = [0]

    def takes(ms: int) -> None:
        now[0] += ms * 1_000_000

    times = interleaved([partial(takes, 3), partial(takes, 7)], 20, clock_ns=lambda: now[0])
    assert np.array_equal(times, np.tile([3.0, 7.0], (20, 1)))


def test_a_time_limit_ends_the_rounds() -> None:
    told: list[int] = []
    times = interleaved([lambda: None], 1000, at_least=4, limit_s=0, after_round=told.append)
    assert times.shape == (4, 1) and told == [1, 2, 3, 4]
    with pytest.raises(UsageError, match="rounds is 0"):
        interleaved([lambda: None], 0)


def test_a_paired_ratio_survives_a_machine_that_slows_down() -> None:
    drift = np.linspace(1, 10, 101)
    ratio = paired_ratio(2.0 * drift, drift)
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 2.0, 2.0)
    ratio = paired_ratio(np.array([1, 2, 3, 4, 5.0]), np.ones(5))
    assert (ratio.low, ratio.median, ratio.high) == (2, 3, 4)
    assert str(Ratio(1.724, 1.6, 1.85)) == "1.72× (1.60–1.85)"


# What a row says


def test_percentiles_are_numpys(tiny: Path, no_child: None) -> None:
    durations = np.random.default_rng(0).permutation(np.arange(1.0, 201.0))
    (row,) = measure([tiny], rounds=200, batch=4, clock_ns=clock(*durations))
    assert row.latencies_ms == tuple(durations)
    for percent in (50, 90, 99):
        assert row.percentile_ms(percent) == np.percentile(durations, percent)
    assert row.throughput == pytest.approx(4 / 0.1005)
    assert row.to_dict()["p99_ms"] == np.percentile(durations, 99)
    assert (row.peak_memory_mb, row.file_mb) == (12.0, tiny.stat().st_size / 1e6)


def test_speed_is_against_the_first(tiny: Path, tmp_path: Path, no_child: None) -> None:
    other = tiny_onnx(tmp_path / "other.onnx", gain=2)
    # Two candidates and one round: whichever comes first in it takes 8 ms, the other 2.
    rows = measure([tiny, other], rounds=1, clock_ns=clock(8, 2))
    assert rows[0].speed.median == 1
    assert rows[1].speed.median == rows[0].latencies_ms[0] / rows[1].latencies_ms[0]
    assert rows[1].speed.median in (4, 0.25)


def test_all_models_on_all_backends_in_the_order_asked(tiny: Path, no_child: None) -> None:
    pytest.importorskip("openvino")
    rows = measure([tiny, tiny], ["openvino", "onnxruntime"], rounds=2)
    assert [(row.name, row.backend) for row in rows] == [
        ("tiny", "openvino"),
        ("tiny", "onnxruntime"),
    ] * 2


def test_files_of_one_name_are_told_apart(tiny: Path, tmp_path: Path, no_child: None) -> None:
    (tmp_path / "new").mkdir()
    second = tiny_onnx(tmp_path / "new" / "tiny.onnx")
    assert [row.name for row in measure([tiny, second], rounds=1)] == [str(tiny), str(second)]


# Accuracy


def test_accuracy_counts_right_answers(tiny: Path, pictures: Path, no_child: None) -> None:
    (row,) = measure([tiny], rounds=1, data=open_dataset(pictures))
    assert (row.correct, row.pictures, row.accuracy) == (3, 4, 0.75)


@pytest.mark.parametrize("batch", [1, 3, 4, 9])
def test_the_last_batch_may_be_short(tmp_path: Path, pictures: Path, batch: int) -> None:
    fixed = load(tiny_onnx(tmp_path / "fixed.onnx", batch=batch))
    assert count_correct([fixed], open_dataset(pictures), batch) == [(3, 4)]


def test_each_network_is_judged_by_its_own_labels(tmp_path: Path, pictures: Path) -> None:
    right = load(tiny_onnx(tmp_path / "right.onnx"))
    swapped = load(tiny_onnx(tmp_path / "swapped.onnx", labels=("blue", "green", "red")))
    # The swapped one calls red blue and blue red: right on green and on the misplaced picture.
    assert count_correct([right, swapped], open_dataset(pictures)) == [(3, 4), (2, 4)]


def test_unreadable_pictures_are_left_out_of_the_count(tiny: Path) -> None:
    def read(i: int) -> np.ndarray:
        if i == 1:
            raise EdgecnnError("picture 1 is damaged.")
        return plain_frame(LABELS[i % 3])

    targets = np.array([0, 1, 2, 0])
    data = Dataset("four", LABELS, targets, read, tuple("abcd"))
    with pytest.warns(UserWarning, match="picture 1 is damaged"):
        assert count_correct([load(tiny)], data, batch=2) == [(3, 3)]


def test_a_sample_is_not_the_first_class_only() -> None:
    targets = np.repeat(np.arange(3), 100)
    data = Dataset("many", LABELS, targets, lambda i: plain_frame(LABELS[i // 100]), ("x",) * 300)
    sample = fair_sample(data, 60)
    assert len(sample) == 60 and sample.targets is not None
    assert np.bincount(sample.targets).min() > 10
    assert fair_sample(data, 300) is data


def test_pictures_without_labels_cannot_judge(tiny: Path, pictures: Path) -> None:
    with pytest.raises(UsageError, match="has no labels"):
        measure([tiny], rounds=1, data=open_dataset(pictures / "red"))


# Memory


def test_peak_memory_is_the_networks_own(tmp_path: Path) -> None:
    """A file with 64 MB more weights needs at least those; what the parent holds counts nothing."""
    ballast = np.ones(200_000_000 // 8)
    small = tiny_onnx(tmp_path / "small.onnx")
    large = tiny_onnx(tmp_path / "large.onnx", 1300, (64, 64))
    first, second = (peak_memory_mb(path, "onnxruntime", "cpu", 1, 1) for path in (small, large))
    assert 1 < first < 100
    assert second - first > 0.9 * large.stat().st_size / 1e6 > 57
    assert ballast.sum() > 0


def test_the_failure_of_the_child_is_told(tmp_path: Path) -> None:
    with pytest.raises(EdgecnnError, match=r"absent\.onnx on onnxruntime, alone .*no such"):
        peak_memory_mb(tmp_path / "absent.onnx", "onnxruntime", "cpu", 0, 1)


def test_a_system_without_the_figure_is_named() -> None:
    with pytest.raises(EdgecnnError, match="does not state VmNonsense"):
        memory._status_bytes("VmNonsense")


# Errors: nothing is left out in silence


def test_a_candidate_that_cannot_be_opened_ends_the_run(tiny: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.onnx"
    with pytest.raises(EdgecnnError, match=r"missing\.onnx.*no such file"):
        measure([tiny, missing])
    with pytest.raises(UsageError, match="no backend 'tpu'") as error:
        measure([tiny], ["onnxruntime", "tpu"])
    assert str(tiny) in str(error.value)
    fixed = tiny_onnx(tmp_path / "fixed.onnx", batch=2)
    with pytest.raises(EdgecnnError, match=r"fixed\.onnx on onnx.* expected float32 2×3×8×8"):
        measure([tiny, fixed], batch=3)


@pytest.mark.parametrize("what", ["batch", "rounds", "samples"])
def test_impossible_numbers_are_wrong_usage(tiny: Path, what: str) -> None:
    with pytest.raises(UsageError, match=f"{what} is 0"):
        measure([tiny], **{what: 0})
    with pytest.raises(UsageError, match="nothing to measure"):
        measure([])


# The verb


def test_the_table_names_everything(
    tiny: Path, pictures: Path, capsys: pytest.CaptureFixture[str], no_child: None
) -> None:
    assert main(["bench", str(tiny), "--rounds", "3", "--data", str(pictures)]) == 0
    out = capsys.readouterr().out
    for text in ("tiny", "onnxruntime", "p50/p90/p99 ms", "peak MB", "1.00×", "3/4"):
        assert text in out


def test_json_is_one_document(
    tiny: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--rounds", "5", "--threads", "1", "--json"]
    assert main(["bench", str(tiny), "--data", str(pictures), *flags]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["machine"]["onnxruntime"] and said["machine"]["cpu"]
    (row,) = said["rows"]
    assert (row["correct"], row["pictures"], row["threads"]) == (3, 4, 1)
    assert len(row["latencies_ms"]) == 5
    assert row["p50_ms"] == np.median(row["latencies_ms"])
    assert row["speed"] == {"median": 1, "low": 1, "high": 1}
    assert row["peak_memory_mb"] > 1


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_chart_is_a_picture(
    tiny: Path, tmp_path: Path, suffix: str, no_child: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / f"chart{suffix}"
    assert main(["bench", str(tiny), str(tiny), "--rounds", "3", "--plot", str(file)]) == 0
    if suffix == ".png":
        picture = cv2.imread(str(file))
        assert picture.shape[1] == 9 * 150 and picture.std() > 10
    else:
        assert file.read_text("utf-8").lstrip().startswith("<?xml")


def test_the_chart_shows_every_row(tiny: Path, no_child: None) -> None:
    pytest.importorskip("matplotlib")
    rows = measure([tiny, tiny], rounds=4, clock_ns=clock(*[5, 5] * 3, 5, 500))
    (axes,) = chart.latency_figure(rows).axes
    assert [bar.get_width() for bar in axes.patches] == [5, 5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tiny", "tiny"]
    # One hiccup of 500 ms does not shrink the bars to nothing.
    assert axes.get_xlim()[1] < 700


def test_a_chart_that_cannot_be_drawn_is_refused_before_measuring(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it measured")

    monkeypatch.setattr("edgecnn.bench.candidates.interleaved", never)
    assert main(["bench", str(tiny), "--plot", "chart.doc"]) == 2
    assert "expected .png, .svg, .pdf" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["bench", str(tiny), "--plot", "chart.png"]) == 1
    assert 'pip install "edgecnn[report]"' in capsys.readouterr().err


# Pages


def test_a_page_says_where_when_and_how(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "speed.md"
    rows = [("a", "1.7"), ("b", "2")]
    write_page(page, "Speed", "python speed.py", ("net", "ratio"), rows, "Good.")
    text = page.read_text("utf-8")
    assert "| net | ratio |\n| --- | --- |\n| a | 1.7 |\n| b | 2 |\n" in text
    assert "$ python speed.py" in text and text.endswith("Good.\n")
    for name in ("date", "cpu", "onnxruntime"):
        assert machine()[name] in text

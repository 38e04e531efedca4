"""The demo, reduced to one network: its numbers, and that its page stands on its own."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from house import ROOT

from edgecnn.runtime import frames, load

DEMO = [sys.executable, str(ROOT / "demos" / "demo.py"), "--quick", "--out"]
LOADING = {"src", "href", "srcset", "data", "poster", "action", "background", "xlink:href"}


class Page(HTMLParser):
    """What a page loads, what it links to, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [(tag, value or "") for name, value in attrs if name in LOADING]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run([*DEMO, str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out, done


@pytest.fixture(scope="module")
def numbers(made: tuple[Path, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made[0] / "demo.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def page(made: tuple[Path, Any]) -> Page:
    return Page((made[0] / "demo.html").read_text("utf-8"))


pytestmark = [pytest.mark.slow, pytest.mark.network]


def test_accuracy_is_what_these_weights_reach(numbers: dict[str, Any]) -> None:
    fp32, int8 = (numbers["scores"][form]["mobilenet_v2"] for form in ("fp32", "int8"))
    assert fp32["pictures"] == int8["pictures"] == 50
    assert abs(fp32["top1"] - 38) <= 1
    assert fp32["top5"] >= fp32["top1"]
    assert int8["top1"] >= fp32["top1"] - 4


def test_the_export_is_proved_and_int8_keeps_to_its_budget(numbers: dict[str, Any]) -> None:
    network = numbers["networks"]["mobilenet_v2"]
    assert network["proof"]["agreement"] == 1
    assert network["proof"]["relative_error"] < 1e-4
    assert network["quantize"]["drop"] <= 0.01
    assert network["bytes"]["int8"] < 0.4 * network["bytes"]["fp32"]


def test_the_scores_count_the_pictures_shown(numbers: dict[str, Any]) -> None:
    right = [picture["right"]["mobilenet_v2"] for picture in numbers["pictures"]]
    assert sum(right) == numbers["scores"]["int8"]["mobilenet_v2"]["top1"]


def test_the_model_says_again_what_the_page_says(
    made: tuple[Path, Any], numbers: dict[str, Any]
) -> None:
    model = load(made[0] / "mobilenet_v2.int8.onnx")
    for photo in numbers["photos"]:
        label, probability = model(next(frames(photo["source"]))).top(1)[0]
        assert photo["top"][0]["label"] == label
        assert photo["top"][0]["probability"] == pytest.approx(probability, abs=1e-4)
    model.close()
    assert {photo["name"]: photo["top"][0]["label"] for photo in numbers["photos"]}[
        "chelsea"
    ] == "Egyptian cat"


def test_the_video_is_counted_honestly(numbers: dict[str, Any]) -> None:
    share = numbers["video"]["shares"]["mobilenet_v2"]
    # Every 28th of 280 frames; MobileNet v2 alone finds the bird in well under half of them.
    assert share["frames"] == len(share["said"]) == 10
    assert share["hits"] == share["said"].count("sulphur-crested cockatoo")
    assert 1 <= share["hits"] <= 6
    assert share["hits"] + sum(count for _, count in share["others"]) == 10


def test_the_page_shows_the_numbers(page: Page, numbers: dict[str, Any]) -> None:
    words = " ".join(page.words.split())
    hits = numbers["video"]["shares"]["mobilenet_v2"]["hits"]
    assert f"Of 10 frames, MobileNet v2 puts “sulphur-crested cockatoo” first in {hits}" in words
    assert f"{numbers['bench']['speed']['mobilenet_v2']['ratio']['median']:.2f}×" in words
    for picture in numbers["pictures"]:
        assert picture["top"][0][0] in words


def test_the_page_loads_nothing_from_elsewhere(made: tuple[Path, Any], page: Page) -> None:
    assert page.loads
    for tag, address in page.loads:
        # Links that a person may follow are fine; what a browser fetches by itself is not.
        assert tag == "a" or address.startswith(("data:", "#")), (tag, address[:80])
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    text = (made[0] / "demo.html").read_text("utf-8")
    assert not re.search(r"@import|url\(\s*['\"]?(?!#|data:)", text)


def test_every_picture_on_the_page_decodes(page: Page) -> None:
    pictures = [src for tag, src in page.loads if tag == "img"]
    assert len(pictures) >= 50 + 2 + 8
    for address in pictures:
        picture = cv2.imdecode(np.frombuffer(content(address), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.std() > 5


def test_the_clip_on_the_page_plays(page: Page, tmp_path: Path) -> None:
    (clip,) = [a for tag, a in page.loads if tag == "video" and a.startswith("data:video/webm")]
    (tmp_path / "clip.webm").write_bytes(content(clip))
    assert len(list(frames(tmp_path / "clip.webm"))) == 10


def test_the_terminal_tells_the_commands_and_what_was_made(
    made: tuple[Path, subprocess.CompletedProcess[str]], numbers: dict[str, Any]
) -> None:
    out, done = made
    for command in numbers["commands"]:
        assert f"$ {command}" in done.stdout
    assert f"$ edgecnn export mobilenet_v2 --weights imagenet -o {out}/mobilenet_v2" in done.stdout
    assert "mobilenet_v2.int8.onnx" in done.stdout.partition("What was made")[2]
    assert str(out / "demo.html") in done.stdout.splitlines()[-1]


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    done = subprocess.run([*DEMO, str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("demo: ")


def test_ctrl_c_ends_in_one_line_and_keeps_earlier_results(tmp_path: Path) -> None:
    earlier = tmp_path / "mobilenet_v2.onnx"
    earlier.write_bytes(b"of an earlier run")
    running = subprocess.Popen([*DEMO, str(tmp_path)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert running.stdout and running.stderr
    while not (line := running.stdout.readline()).startswith("$ edgecnn export"):
        assert line
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    progress = ("Exporting mobilenet_v2 …", "Exporting mobilenet_v2: stopped after")
    assert [line for line in errors.splitlines() if not line.startswith(progress)] == [
        "edgecnn: interrupted."
    ]
    assert earlier.read_bytes() == b"of an earlier run"
    assert [path.name for path in tmp_path.iterdir()] == ["mobilenet_v2.onnx"]


def content(address: str) -> bytes:
    """The bytes in a base64 data URI."""
    return base64.b64decode(address.partition(";base64,")[2], validate=True)

"""Frames as data URIs, so that the page is one file; and the pictures that the demo writes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data import Dataset
from edgecnn.runtime import Classes, Frame, frames, open_sink
from edgecnn.runtime.sources import fps

CLIP_WIDTH = 640


def inline(frame: np.ndarray, height: int, suffix: str = ".jpg") -> str:
    """A frame as a data URI, scaled to `height` pixels; .png keeps every pixel's value."""
    options = (cv2.IMWRITE_JPEG_QUALITY, 82) if suffix == ".jpg" else ()
    data = cv2.imencode(suffix, scaled(frame, height), options)[1]
    kind = "jpeg" if suffix == ".jpg" else suffix[1:]
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"


def scaled(frame: np.ndarray, height: int) -> np.ndarray:
    """The frame at another height, its shape kept."""
    width = round(frame.shape[1] * height / frame.shape[0])
    how = cv2.INTER_AREA if height < frame.shape[0] else cv2.INTER_NEAREST
    small: np.ndarray = cv2.resize(frame, (width, height), interpolation=how)
    return small


def strip(video: Path, length: int, count: int) -> list[dict[str, object]]:
    """`count` evenly spaced frames of a video of `length` frames: {"index", "image"}."""
    chosen = set(np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist())
    return [
        {"index": frame.index, "image": inline(frame, 216)}
        for frame in frames(video)
        if frame.index in chosen
    ]


def clip(video: Path, webm: Path) -> str:
    """The video again, small and as every browser plays it, written to `webm`; as a data URI."""
    nothing = Classes(np.zeros(0, np.float32), ())
    with open_sink(webm, fps=fps(video)) as sink:
        for frame in frames(video):
            height = round(frame.shape[0] * CLIP_WIDTH / frame.shape[1])
            small = Frame(scaled(frame, height), frame.source, frame.index, frame.time_s)
            sink.write(small, nothing)
    return f"data:video/webm;base64,{base64.b64encode(webm.read_bytes()).decode()}"


def save_digits(data: Dataset, chosen: Sequence[int], folder: Path) -> None:
    """Some frames of MNIST as picture files whose names tell what they are."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for place, index in enumerate(chosen):
        frame, target = data[index]
        cv2.imwrite(str(folder / f"{place:02d}-test-{index}-is-{target}.png"), frame)

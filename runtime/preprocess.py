"""A frame and a Card become a batch: the one way, shared by training, check and device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from edgecnn.card import Preprocess
from edgecnn.errors import EdgecnnError

_INTERPOLATION = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}


def preprocess(frames: np.ndarray | Sequence[np.ndarray], how: Preprocess) -> np.ndarray:
    """One frame, or a sequence of frames of any sizes, as one batch.

    frames: H×W×3 BGR uint8, or H×W grey uint8, each.
    Returns: N×C×H×W (or N×H×W×C for layout "nhwc"), float32 or uint8 as `how` says.

    Raises:
        EdgecnnError: a frame of another shape or dtype, or no frame at all.
    """
    if isinstance(frames, np.ndarray):
        frames = [frames]
    if not len(frames):
        raise EdgecnnError("got no frame; expected at least one.")
    height, width = how.size
    shape = (len(frames), how.channels, height, width)
    if how.layout == "nhwc":
        shape = (len(frames), height, width, how.channels)
    batch = np.empty(shape, np.dtype(how.dtype))
    for slot, frame in zip(batch, frames, strict=True):
        _fill(slot, _colour(resized(checked(frame), how), how.color), how)
    return batch


def checked(frame: np.ndarray) -> np.ndarray:
    """`frame` as H×W×3 uint8; grey is repeated.

    Raises:
        EdgecnnError: not uint8, or not an image's shape.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        kind = getattr(frame, "dtype", type(frame).__name__)
        raise EdgecnnError(f"the frame is {kind}; expected a uint8 array of shape H×W×3, BGR.")
    if frame.ndim == 2:
        frame = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
    if frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise EdgecnnError(f"the frame has shape {frame.shape}; expected H×W×3, BGR.")
    return frame


def resized(frame: np.ndarray, how: Preprocess) -> np.ndarray:
    """The frame brought to `how.size` by crop, stretch or letterbox; H×W×3 uint8."""
    if how.resize == "letterbox":
        return _letterbox(frame, how)
    if how.resize == "crop":
        frame = _centre(frame, how)
    return _scale(frame, how.size, how.interpolation)


def _centre(frame: np.ndarray, how: Preprocess) -> np.ndarray:
    # Cutting before scaling gives the same field of view as scaling first,
    # and never touches the pixels that would be thrown away.
    rows, columns = frame.shape[:2]
    height, width = how.size
    scale = min(rows / height, columns / width) * how.crop_fraction
    cut_rows = min(rows, max(1, round(height * scale)))
    cut_columns = min(columns, max(1, round(width * scale)))
    top, left = (rows - cut_rows) // 2, (columns - cut_columns) // 2
    return frame[top : top + cut_rows, left : left + cut_columns]


def _letterbox(frame: np.ndarray, how: Preprocess) -> np.ndarray:
    rows, columns = frame.shape[:2]
    height, width = how.size
    scale = min(height / rows, width / columns)
    inner = (min(height, max(1, round(rows * scale))), min(width, max(1, round(columns * scale))))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    padded: np.ndarray = cv2.copyMakeBorder(
        _scale(frame, inner, how.interpolation),
        top, height - inner[0] - top, left, width - inner[1] - left,
        cv2.BORDER_CONSTANT, value=(how.pad_value,) * 3,
    )  # fmt: skip
    return padded


def _scale(frame: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    if interpolation == "area":
        frame = _halved(frame, size)
    if frame.shape[:2] == size:
        return frame
    method = _INTERPOLATION[interpolation]
    # OpenCV's area averaging degenerates to nearest neighbour when enlarging.
    if interpolation == "area" and (size[0] > frame.shape[0] or size[1] > frame.shape[1]):
        method = cv2.INTER_LINEAR
    scaled: np.ndarray = cv2.resize(frame, size[::-1], interpolation=method)
    return scaled


def _halved(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The frame averaged over 2×2 blocks as long as it is even and at least twice `size`.

    OpenCV averages whole blocks many times faster than cut ones: a camera's frame costs half.
    Against averaging once it moves a pixel by one or two grey levels (Pillow's `reducing_gap`).
    """
    rows, columns = frame.shape[:2]
    while not (rows % 2 or columns % 2) and rows >= 2 * size[0] and columns >= 2 * size[1]:
        rows, columns = rows // 2, columns // 2
        frame = cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)
    return frame


def _colour(frame: np.ndarray, color: str) -> np.ndarray:
    if color == "gray":
        grey: np.ndarray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[..., None]
        return grey
    return frame[..., ::-1] if color == "rgb" else frame


def _fill(slot: np.ndarray, image: np.ndarray, how: Preprocess) -> None:
    """Write H×W×C pixels into one slot of the batch, normalised for float networks."""
    pixels = image if how.layout == "nhwc" else image.transpose(2, 0, 1)
    if how.dtype == "uint8":
        slot[...] = pixels
        return
    gain, offset = _affine(how)
    np.multiply(pixels, gain, out=slot)
    np.subtract(slot, offset, out=slot)


@lru_cache(maxsize=64)
def _gain_offset(
    scale: float, mean: tuple[float, ...], std: tuple[float, ...], layout: str
) -> tuple[np.ndarray, np.ndarray]:
    # (pixel * scale - mean) / std == pixel * gain - offset
    shape = (-1,) if layout == "nhwc" else (-1, 1, 1)
    gain = (scale / np.array(std)).astype(np.float32).reshape(shape)
    offset = (np.array(mean) / np.array(std)).astype(np.float32).reshape(shape)
    return gain, offset


def _affine(how: Preprocess) -> tuple[np.ndarray, np.ndarray]:
    return _gain_offset(how.scale, how.mean, how.std, how.layout)

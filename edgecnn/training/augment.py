"""Random changes to a batch that leave its meaning: training sees more than was collected."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def shifted(
    images: np.ndarray, most: int, rng: np.random.Generator, *, layout: str = "nchw"
) -> np.ndarray:
    """A copy with each image moved by -most..most pixels, drawn for each axis and image.

    images: N×C×H×W, or N×H×W×C for layout "nhwc". What comes in repeats the image's edge.
    """
    planes = np.moveaxis(images, 3, 1) if layout == "nhwc" else images
    count, _, height, width = planes.shape
    wide = np.pad(planes, ((0, 0), (0, 0), (most, most), (most, most)), mode="edge")
    top, left = rng.integers(0, 2 * most + 1, (2, count))
    windows = sliding_window_view(wide, (height, width), axis=(2, 3))
    moved = windows[np.arange(count), :, top, left]
    return np.ascontiguousarray(np.moveaxis(moved, 1, 3)) if layout == "nhwc" else moved

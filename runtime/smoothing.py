"""Temporal smoothing: a video's answers averaged over time, so that labels do not flicker."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgecnn.errors import UsageError
from edgecnn.runtime.results import Classes


class Smoother:
    """Exponential moving average of probabilities over time.

    seconds: time constant; a change has settled to 63 % after it. 0 switches smoothing off.

    Raises:
        UsageError: a negative time constant.
    """

    def __init__(self, seconds: float) -> None:
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"smoothing is {seconds} s; expected 0 (off) or more.")
        self.seconds = seconds
        self._mean: np.ndarray | None = None
        self._time_s = 0.0

    def __call__(self, result: Classes, time_s: float) -> Classes:
        """The smoothed result at `time_s`; frames may be unevenly spaced."""
        step = max(time_s - self._time_s, 0.0)
        self._time_s = time_s
        if (
            self._mean is None
            or self.seconds == 0
            or self._mean.shape != result.probabilities.shape
        ):
            self._mean = result.probabilities
        else:
            keep = math.exp(-step / self.seconds)
            self._mean = keep * self._mean + (1 - keep) * result.probabilities
        return replace(result, probabilities=np.asarray(self._mean, np.float32))

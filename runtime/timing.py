"""Time several callables fairly on a machine that is never quiet: interleaved, shuffled, paired."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn.errors import UsageError


@dataclass(frozen=True)
class Ratio:
    """Median of ratios, one a round, and the quartiles around it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f}× ({self.low:.2f}–{self.high:.2f})"


def interleaved(
    runs: Sequence[Callable[[], object]],
    rounds: int,
    *,
    at_least: int = 1,
    limit_s: float = float("inf"),
    settle: int = 2,
    seed: int = 0,
    after_round: Callable[[int], None] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> np.ndarray:
    """Time each of `runs` once a round, every round in a new order.

    What disturbs the machine then disturbs all of them, and none always follows the same other.
    Each timed run comes after `settle` runs of its own that do not count: the previous one has
    left its weights in the cache and its threads still spinning.

    limit_s: no new round begins after that many seconds, once `at_least` rounds are done.
    seed: of the orders; the same seed gives the same orders.
    after_round: is told how many rounds are done, between two rounds.
    Returns: milliseconds, float64, shape (rounds done, len(runs)).

    Raises:
        UsageError: fewer than one round.
    """
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; expected 1 or more.")
    order = list(range(len(runs)))
    shuffle = random.Random(seed).shuffle
    started_ns = time.monotonic_ns()
    times: list[list[float]] = []
    for done in range(rounds):
        if done >= at_least and time.monotonic_ns() - started_ns > limit_s * 1e9:
            break
        shuffle(order)
        row = [0.0] * len(runs)
        for i in order:
            for _ in range(settle):
                runs[i]()
            start_ns = clock_ns()
            runs[i]()
            row[i] = (clock_ns() - start_ns) / 1e6
        times.append(row)
        if after_round:
            after_round(done + 1)
    return np.array(times)


def paired_ratio(numerator: np.ndarray, denominator: np.ndarray) -> Ratio:
    """Median and quartiles of `numerator / denominator`, both one value a round.

    Two times of one round were taken within moments of each other: their ratio holds on a
    machine whose speed changes from minute to minute, where absolute times do not.
    """
    low, median, high = np.percentile(np.asarray(numerator) / np.asarray(denominator), (25, 50, 75))
    return Ratio(float(median), float(low), float(high))

"""Cut 0..N-1 into two shuffled parts, class by class where the classes allow it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def split_indices(
    count: int, targets: Ints | None, fraction: float, seed: int
) -> tuple[Ints, Ints]:
    """Two int64 arrays that hold 0..count-1 once each, the first round(fraction · count) long.

    `targets` (count,) are the classes, or None. Neither part is empty; `count` is at least 2.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    wanted = int(np.clip(round(fraction * count), 1, count - 1))
    if targets is not None:
        classes, sizes = np.unique(targets, return_counts=True)
        if sizes.min() >= 2:
            taken = _per_class(sizes, wanted)
            rank = np.empty(count, np.int64)
            for label in classes:
                mine = order[targets[order] == label]
                rank[mine] = np.arange(len(mine))
            first = rank < taken[np.searchsorted(classes, targets)]
            return order[first[order]], order[~first[order]]
    return order[:wanted], order[wanted:]


def _per_class(sizes: Ints, wanted: int) -> Ints:
    """How many of each class go to the first part: proportional, `wanted` in all."""
    both = len(sizes) <= wanted <= sizes.sum() - len(sizes)
    low, high = (np.ones_like(sizes), sizes - 1) if both else (np.zeros_like(sizes), sizes)
    share = sizes * (wanted / sizes.sum())
    taken: Ints = np.clip(np.floor(share).astype(np.int64), low, high)
    while taken.sum() != wanted:
        step = 1 if taken.sum() < wanted else -1
        movable = taken < high if step > 0 else taken > low
        # The class that is furthest from its share, among those that may still move.
        taken[np.argmax(np.where(movable, step * (share - taken), -np.inf))] += step
    return taken

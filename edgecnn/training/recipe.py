"""How to train: a Recipe of plain values, and what its names mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch.optim import SGD, AdamW, Optimizer

from edgecnn.errors import UsageError, one_of


def _one_cycle(progress: float) -> float:
    climb = 0.2
    if progress < climb:
        return progress / climb
    return (1 + math.cos(math.pi * (progress - climb) / (1 - climb))) / 2


OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "adamw": AdamW,
    "sgd": partial(SGD, momentum=0.9, nesterov=True),
}
# Progress through the whole training, 0-1 → share of the learning rate.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "one-cycle": _one_cycle,
    "constant": lambda _: 1.0,
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The defaults suit LeNet on MNIST.

    shift: each picture is moved by up to this many pixels of the network's input, each epoch anew.
    optimizer: "adamw" or "sgd" (Nesterov momentum 0.9; it wants a larger `lr`, such as 0.05).
    schedule: "one-cycle" climbs to `lr` in the first fifth and falls to 0; or "constant".
    seed: of order and dropout; the same seed, machine and number of threads give the same weights.

    Raises:
        UsageError: an unknown name, or a number out of range.
    """

    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "adamw"
    lr: float = 3e-3
    weight_decay: float = 0.01
    schedule: str = "one-cycle"
    shift: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("shift", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; expected {least} or more.")
        if not 0 < self.lr < math.inf:
            raise UsageError(f"lr is {self.lr}; expected a number above 0.")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay is {self.weight_decay}; expected 0 or more.")
        if self.optimizer not in OPTIMIZERS:
            raise one_of("optimizer", self.optimizer, list(OPTIMIZERS))
        if self.schedule not in SCHEDULES:
            raise one_of("schedule", self.schedule, list(SCHEDULES))

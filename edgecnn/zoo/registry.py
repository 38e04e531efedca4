"""The register of networks: a builder function, the numbers of its paper, where its weights are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from edgecnn.card import Preprocess

Builder = Callable[..., nn.Module]
StateDict = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Published weights of one network.

    asset: name in edgecnn.assets.manifest.
    top1: accuracy published for them, 0-1.
    rename: brings the file's state dict to this network's names.
    """

    asset: str
    labels: Callable[[], tuple[str, ...]]
    top1: float | None = None
    rename: Callable[[StateDict], StateDict] = dict


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One network of the zoo.

    params: number of parameters at its default classes, from `paper` or its reference code.
    preprocess: what the network was designed for; travels in the Card.
    """

    name: str
    builder: Builder
    paper: str
    year: int
    params: int
    preprocess: Preprocess
    classes: int = 1000
    weights: Mapping[str, Weights] = field(default_factory=dict)


ENTRIES: dict[str, Entry] = {}


def register(**facts: Any) -> Callable[[Builder], Builder]:
    """Decorator: the function below builds a network; its name is the network's name.

    Raises:
        ValueError: the name is taken.
    """

    def add(builder: Builder) -> Builder:
        name = builder.__name__
        if name in ENTRIES:
            raise ValueError(f"two networks are called {name!r}.")
        ENTRIES[name] = Entry(name=name, builder=builder, **facts)
        return builder

    return add

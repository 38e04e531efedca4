"""One epoch of a training: its figures, in words, and as the Card of the network it leaves."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from edgecnn import __version__
from edgecnn.card import Card, Proof
from edgecnn.data import Dataset


@dataclass(frozen=True)
class Epoch:
    """loss: mean over the training set; `correct` of `tested`: the test set after this epoch."""

    number: int
    loss: float
    correct: int
    tested: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """Top-1 on the test set, 0-1."""
        return self.correct / self.tested


def progress_line(last: Epoch, epochs: int) -> str:
    """What is said after each epoch."""
    return (
        f"epoch {last.number} of {epochs}: loss {last.loss:.4f}, test accuracy "
        f"{last.accuracy:.2%}, {last.seconds:.1f} s, "
        f"{(epochs - last.number) * last.seconds:.0f} s left"
    )


def stopped_line(history: Sequence[Epoch], epochs: int, path: Path) -> str:
    """What is said after Ctrl-C."""
    if not history:
        return f"stopped before the end of the first epoch; {path} was not written"
    last = history[-1]
    return (
        f"stopped; {path} holds epoch {last.number} of {epochs} (test accuracy "
        f"{last.accuracy:.2%}). Type the same command with --resume to go on"
    )


def short_name(data: Dataset) -> str:
    """A data set's name, or a folder's last two: a Card travels, the path above does not."""
    return "/".join(Path(data.name).parts[-2:])


def trained_card(card: Card, facts: Mapping[str, Any], test_set: Dataset, epoch: Epoch) -> Card:
    """The Card with how the network was trained (`facts`) and how well it does now."""
    trained_with = f"edgecnn {__version__}, torch {torch.__version__}"
    provenance = {**card.provenance, **facts, "epochs": epoch.number,
                  "test_accuracy": epoch.accuracy, "trained_with": trained_with}  # fmt: skip
    proof = Proof(
        kind="train",
        source=f"labels of {short_name(test_set)}",
        target=f"{card.name} after epoch {epoch.number}",
        samples=epoch.tested,
        agreement=epoch.accuracy,
        accuracy_after=epoch.accuracy,
        date=datetime.date.today().isoformat(),
    )
    return replace(card, provenance=provenance).with_proof(proof)

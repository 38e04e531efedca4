"""Where an export starts: a zoo name with weights, or a checkpoint; a network and its Card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from edgecnn.assets import find
from edgecnn.card import Card
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.onnxfile import existing_file
from edgecnn.zoo import create, model_entry, model_weights
from edgecnn.zoo.checkpoint import load_checkpoint, load_state


def network_and_card(
    model: str | os.PathLike[str],
    *,
    weights: str | None = None,
    labels: str | os.PathLike[str] | None = None,
) -> tuple[nn.Module, Card]:
    """The network (evaluation mode) and the Card it will carry.

    model: a .pt file with a Card inside, or a name of the zoo.
    weights: for a zoo name: published weights by name, or a file with a state dict.
    labels: text file with one class name a line; needed for weights from a file.

    Raises:
        UsageError: unknown names, or a combination that leaves labels or weights unknown.
        EdgecnnError: a file that cannot be read or does not fit.
    """
    if Path(model).suffix == ".pt":
        if weights or labels:
            raise UsageError(
                f"{model} has its weights and labels inside; leave out --weights/--labels."
            )
        return load_checkpoint(model)
    entry = model_entry(str(model))
    if weights is None:
        known = ", ".join(entry.weights) or "none published"
        raise UsageError(
            f"{model} needs --weights ({known}, or a file): a network of random numbers is not "
            f"worth exporting. To train one: edgecnn train {model} --data …"
        )
    if weights in entry.weights:
        published = model_weights(entry.name, weights)
        names, network = published.labels(), create(entry.name, weights)
        facts: dict[str, Any] = {
            "weights": published.asset,
            "licence": find(published.asset).licence,
            "published_top1": published.top1,
        }
    else:
        names, network = _from_file(entry.name, weights, labels)
        facts = {"weights": Path(weights).name}
    return network, new_card(entry.name, names, facts)


def new_card(name: str, labels: tuple[str, ...], facts: Mapping[str, Any]) -> Card:
    """The Card of a classifier of the zoo."""
    entry = model_entry(name)
    return Card(
        name=name,
        task="classify",
        preprocess=entry.preprocess,
        labels=labels,
        decode={"activation": "softmax"},
        provenance={"architecture": name, "paper": entry.paper, **facts},
    )


def _from_file(
    name: str, weights: str, labels: str | os.PathLike[str] | None
) -> tuple[tuple[str, ...], nn.Module]:
    if labels is None:
        raise UsageError(
            f"weights from the file {weights} say nothing about class names: add --labels FILE."
        )
    try:
        lines = existing_file(labels).read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise EdgecnnError(f"{labels} is no UTF-8 text: {error.reason}.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    network = create(name, classes=len(names))
    load_state(network, weights)
    return names, network

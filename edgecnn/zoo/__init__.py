"""The zoo: one paper a file; every module beside this one registers its networks."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any

from torch import nn

from edgecnn.assets import fetch
from edgecnn.errors import one_of
from edgecnn.zoo.checkpoint import load_state
from edgecnn.zoo.registry import ENTRIES, Entry, Weights, register

__all__ = ["Entry", "Weights", "create", "list_models", "model_entry", "register"]


def _discover() -> None:
    for module in iter_modules(__path__):
        import_module(f"edgecnn.zoo.{module.name}")
    for plugin in entry_points(group="edgecnn.zoo"):
        plugin.load()


def list_models() -> list[str]:
    """Names of all networks, sorted."""
    _discover()
    return sorted(ENTRIES)


def model_entry(name: str) -> Entry:
    """What is known about a network.

    Raises:
        UsageError: no such network.
    """
    if name not in list_models():
        raise one_of("model", name, list_models())
    return ENTRIES[name]


def model_weights(name: str, weights: str) -> Weights:
    """Where a network's published weights are.

    Raises:
        UsageError: no such network or weights.
    """
    entry = model_entry(name)
    if weights not in entry.weights:
        raise one_of(f"weights for {name}:", weights, list(entry.weights))
    return entry.weights[weights]


def create(name: str, weights: str | None = None, **options: Any) -> nn.Module:
    """A network in evaluation mode, random or with published weights (fetched on first use).

    options: the builder's keyword arguments, e.g. classes=10.

    Raises:
        UsageError: no such network, weights or option.
        EdgecnnError: the weights cannot be fetched or do not fit, key by key.
    """
    entry = model_entry(name)
    published = model_weights(name, weights) if weights else None
    network = entry.builder(**options)
    if published:
        load_state(network, fetch(published.asset), rename=published.rename)
    return network.eval()

"""Weights in files: a state dict, and beside it the Card, in one .pt that never unpickles code."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgecnn.atomic import replacing
from edgecnn.card import KEY, Card
from edgecnn.errors import EdgecnnError
from edgecnn.onnxfile import existing_file

StateDict = dict[str, torch.Tensor]


def load_state(
    network: nn.Module,
    path: str | os.PathLike[str],
    rename: Callable[[StateDict], StateDict] = dict,
) -> None:
    """Copy a file's state dict into a network, strictly: no missing, unexpected or reshaped key.

    Raises:
        EdgecnnError: the file cannot be read, or names the first keys that do not fit.
    """
    state = _read(path)
    if "state_dict" in state:
        state = state["state_dict"]
    _assign(network, rename(state), Path(path))


def save_checkpoint(path: str | os.PathLike[str], network: nn.Module, card: Card) -> None:
    """Write weights and Card to a .pt file, atomically."""
    with replacing(path) as temporary:
        torch.save({KEY: card.to_json(), "state_dict": network.state_dict()}, temporary)


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[nn.Module, Card]:
    """The network (evaluation mode) and Card of a .pt file written by save_checkpoint.

    Raises:
        EdgecnnError: no such file, damaged, or not written by edgecnn.
    """
    from edgecnn.zoo import model_entry

    saved = _read(path)
    if KEY not in saved:
        raise EdgecnnError(
            f"{path} has no card: it was not written by edgecnn. For bare weights type "
            "`edgecnn export MODEL --weights FILE`."
        )
    card = Card.from_json(saved[KEY])
    entry = model_entry(str(card.provenance.get("architecture")))
    network = entry.builder(classes=len(card.labels))
    _assign(network, saved["state_dict"], Path(path))
    return network.eval(), card


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    path = existing_file(path)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        line = " ".join(str(error).split())[:160]
        raise EdgecnnError(f"{path} is no readable weights file: {line}") from error
    if not isinstance(saved, dict):
        raise EdgecnnError(f"{path} holds a {type(saved).__name__}; expected a state dict.")
    return saved


def _assign(network: nn.Module, state: StateDict, path: Path) -> None:
    wanted = network.state_dict()
    faults = [f"missing {key}" for key in wanted if key not in state]
    faults += [f"unexpected {key}" for key in state if key not in wanted]
    for key in wanted.keys() & state.keys():
        got = tuple(getattr(state[key], "shape", ()))
        if got != tuple(wanted[key].shape):
            faults.append(f"{key} is {got}, expected {tuple(wanted[key].shape)}")
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise EdgecnnError(
            f"{path} does not fit {type(network).__name__}: {'; '.join(faults[:3])}{more}."
        )
    network.load_state_dict(state, strict=True)

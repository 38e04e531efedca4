"""Weights in files: a state dict, and beside it the Card, in one .pt that never unpickles code."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgecnn.atomic import replacing
from edgecnn.card import KEY, Card
from edgecnn.errors import EdgecnnError, one_line
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
    _assign(network, state.get("state_dict", state), Path(path), rename)


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
    try:
        card = Card.from_json(saved[KEY])
        architecture = card.provenance.get("architecture", card.name)
        if not card.labels:
            raise EdgecnnError("its card names no label, so the number of classes is unknown.")
        network = model_entry(str(architecture)).builder(classes=len(card.labels))
    except EdgecnnError as error:
        # Also a UsageError: the file asks for that network, not the user.
        raise EdgecnnError(f"{path}: {error}") from error
    _assign(network, saved.get("state_dict"), Path(path))
    return network.eval(), card


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    path = existing_file(path)
    try:
        with warnings.catch_warnings():
            # About a pickle's protocol, which is nothing a user can act on.
            warnings.simplefilter("ignore")
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"the Python object {found[1]}" if found else "something else, or it is damaged"
        raise EdgecnnError(
            f"{path} is no weights file: it holds {what}. Expected tensors only; edgecnn never "
            "runs code from a file. Save `model.state_dict()`."
        ) from error
    except Exception as error:
        # Damaged bytes make torch raise nearly every kind of error there is.
        line = one_line(error)
        raise EdgecnnError(f"{path} is no readable weights file: {line}") from error
    if not isinstance(saved, dict):
        raise EdgecnnError(f"{path} holds a {type(saved).__name__}; expected a state dict.")
    return saved


def _assign(
    network: nn.Module, state: Any, path: Path, rename: Callable[[StateDict], StateDict] = dict
) -> None:
    tensors = isinstance(state, dict) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    )
    if not tensors:
        raise EdgecnnError(f"{path} holds other things than named tensors; expected a state dict.")
    state, wanted = rename(state), network.state_dict()
    faults = [f"missing {key}" for key in wanted if key not in state]
    faults += [f"unexpected {key}" for key in state if key not in wanted]
    for key in wanted.keys() & state.keys():
        got = tuple(state[key].shape)
        if got != tuple(wanted[key].shape):
            faults.append(f"{key} is {got}, expected {tuple(wanted[key].shape)}")
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise EdgecnnError(
            f"{path} does not fit {type(network).__name__}: {'; '.join(faults[:3])}{more}."
        )
    network.load_state_dict(state, strict=True)

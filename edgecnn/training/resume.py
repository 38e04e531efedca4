"""The state of a training that was stopped: a file beside its checkpoint, gone when it is done."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from edgecnn.atomic import replacing
from edgecnn.errors import EdgecnnError, UsageError, one_line


def state_path(checkpoint: str | os.PathLike[str]) -> Path:
    """lenet.pt → lenet.pt.resume, in the same folder."""
    return Path(f"{os.fspath(checkpoint)}.resume")


def save_state(
    path: Path,
    network: nn.Module,
    optimizer: Optimizer,
    run: Mapping[str, Any],
    history: list[dict[str, Any]],
) -> None:
    """Write everything the next epoch depends on, atomically.

    run: what must be the same when it goes on (plain JSON types); history: one entry an epoch.
    """
    state = {"run": dict(run), "history": history}
    tensors = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with replacing(path) as temporary:
        torch.save({**state, **tensors}, temporary)


def load_state(
    path: Path, network: nn.Module, optimizer: Optimizer, run: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Put a stopped training's weights into network and optimizer; returns its history.

    Raises:
        UsageError: there is none, or it was started with another `run`.
        EdgecnnError: the file is damaged.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist: no training to resume. Leave out --resume.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before, history = dict(state["run"]), list(state["history"])
        _check_same(path, before, run)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, OSError, EOFError, ValueError, TypeError, KeyError,
            pickle.UnpicklingError) as error:  # fmt: skip
        line = one_line(error)
        raise EdgecnnError(f"{path} is damaged ({line}). Start anew without --resume.") from error
    return history


def _check_same(path: Path, before: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    changed = [key for key in {**before, **run} if before.get(key) != run.get(key)]
    if changed:
        was = ", ".join(f"{key} {before.get(key)}" for key in changed)
        now = ", ".join(f"{key} {run.get(key)}" for key in changed)
        raise UsageError(
            f"{path} was started with {was}; now it is {now}. Give the same, or start anew."
        )

"""Training: one loop, read top to bottom; what validates is the device's own pipeline."""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

from edgecnn.card import Card
from edgecnn.data import Dataset
from edgecnn.errors import EdgecnnError, UsageError, one_line
from edgecnn.progress import Bar, bar, say
from edgecnn.runtime.pipeline import Pipeline
from edgecnn.torch_session import TorchSession
from edgecnn.training.augment import shifted
from edgecnn.training.epoch import Epoch, progress_line, short_name, stopped_line, trained_card
from edgecnn.training.recipe import OPTIMIZERS, SCHEDULES, Recipe
from edgecnn.training.resume import load_state, save_state, state_path
from edgecnn.training.samples import Samples
from edgecnn.zoo import create, model_weights
from edgecnn.zoo.checkpoint import save_checkpoint
from edgecnn.zoo.origin import new_card

# All frames of a batch are in memory at once, and a phone's photo takes 36 MB decoded.
TEST_BATCH = 32


def untrained(
    model: str, labels: tuple[str, ...], *, weights: str | None = None, seed: int = 0
) -> tuple[nn.Module, Card]:
    """A network of the zoo for these classes, with random numbers of this seed, and its Card.

    weights: published weights by name to start from; layers whose shape depends on the number
        of classes stay random.

    Raises:
        UsageError: no such network or weights, or fewer than two classes.
    """
    if len(labels) < 2:
        raise UsageError(f"the data has {len(labels)} classes; expected at least 2.")
    torch.manual_seed(seed)
    network = create(model, classes=len(labels))
    if weights is None:
        return network, new_card(model, labels, {})
    state = network.state_dict()
    published = create(model, weights).state_dict()
    state |= {key: value for key, value in published.items() if value.shape == state[key].shape}
    network.load_state_dict(state)
    return network, new_card(model, labels, {"weights": model_weights(model, weights).asset})


def train(
    network: nn.Module,
    card: Card,
    train_set: Dataset,
    test_set: Dataset,
    path: str | os.PathLike[str],
    recipe: Recipe,
    *,
    device: str = "cpu",
    resume: bool = False,
) -> tuple[Card, list[Epoch]]:
    """Train on one set, test on the other after every epoch; returns the final Card and all epochs.

    path: the .pt file; it always holds the last whole epoch, not the best one: choosing by the
        test set would flatter the result. `path`.resume is beside it until the training is done.

    Ctrl-C raises KeyboardInterrupt after a line that says what is saved. Reseeds torch.

    Raises:
        UsageError: a device, path or data set that cannot be used, or nothing to resume.
        EdgecnnError: the loss is no longer a number, or a file cannot be read or written.
    """
    path, state = _checked_path(path), state_path(path)
    train_set, test_set = train_set.matched(card.labels), test_set.matched(card.labels)
    network.to(_checked_device(device))
    optimizer = OPTIMIZERS[recipe.optimizer](
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay
    )
    facts = {"data": short_name(train_set), "training_pictures": len(train_set), **asdict(recipe)}
    same = {"model": card.name, "weights": card.provenance.get("weights"), **facts}
    history: list[Epoch] = []
    if resume:
        history = [Epoch(**epoch) for epoch in load_state(state, network, optimizer, same)]
        say(f"resuming after epoch {len(history)} of {recipe.epochs}")
    samples = Samples(train_set, card.preprocess)
    pipeline = Pipeline(TorchSession(network, card, device))
    try:
        with bar(f"Training {card.name}", (recipe.epochs - len(history)) * len(samples)) as shown:
            for number in range(len(history) + 1, recipe.epochs + 1):
                started = time.monotonic()
                loss = _epoch(network, samples, optimizer, recipe, number, device, shown)
                correct, tested = _test(pipeline, test_set)
                epoch = Epoch(number, loss, correct, tested, time.monotonic() - started)
                save_checkpoint(path, network, trained_card(card, facts, test_set, epoch))
                epochs = [asdict(past) for past in (*history, epoch)]
                save_state(state, network, optimizer, same, epochs)
                history.append(epoch)
                say(progress_line(epoch, recipe.epochs))
    except KeyboardInterrupt:
        say(stopped_line(history, recipe.epochs, path))
        raise
    state.unlink(missing_ok=True)
    network.eval()
    return trained_card(card, facts, test_set, history[-1]), history


def _epoch(
    network: nn.Module,
    samples: Samples,
    optimizer: Optimizer,
    recipe: Recipe,
    number: int,
    device: str,
    shown: Bar,
) -> float:
    """Every sample once; the mean loss."""
    # From the epoch's number, not from what was drawn before: a resumed training goes on as if
    # it had never stopped. torch's own numbers are for dropout.
    rng = np.random.default_rng((recipe.seed, number))
    torch.manual_seed(int(rng.integers(2**63)))
    batches = math.ceil(len(samples) / recipe.batch_size)
    total, seen = 0.0, 0
    network.train()
    # Even parts: batch norm cannot train on a leftover batch of one.
    for i, indices in enumerate(np.array_split(rng.permutation(len(samples)), batches)):
        progress = (number - 1 + i / batches) / recipe.epochs
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * SCHEDULES[recipe.schedule](progress)
        images, targets = samples(indices)
        shown.advance(len(indices))
        if not len(targets):
            continue
        if recipe.shift:
            images = shifted(images, recipe.shift, rng, layout=samples.layout)
        logits = network(torch.from_numpy(images).to(device))
        loss = cross_entropy(logits, torch.from_numpy(targets).to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total, seen = total + loss.item() * len(targets), seen + len(targets)
        if not math.isfinite(total):
            raise _diverged(f"the loss became {loss.item()}", number, i + 1, recipe)
    if not all(value.isfinite().all() for value in network.state_dict().values()):
        raise _diverged("a weight became infinite or NaN", number, batches, recipe)
    return total / max(seen, 1)


def _test(pipeline: Pipeline, data: Dataset) -> tuple[int, int]:
    """(right answers, pictures asked about), by the code that runs on the device."""
    correct = tested = 0
    waiting = iter(data)
    while chunk := list(islice(waiting, TEST_BATCH)):
        answers = pipeline.batch([frame for frame, _ in chunk])
        correct += sum(a.index == target for a, (_, target) in zip(answers, chunk, strict=True))
        tested += len(chunk)
    if not tested:
        raise EdgecnnError(f"{data.name}: none of its {len(data)} pictures can be read.")
    return correct, tested


def _diverged(what: str, number: int, batch: int, recipe: Recipe) -> EdgecnnError:
    return EdgecnnError(
        f"{what} in epoch {number}, batch {batch}. Give a learning rate below {recipe.lr:g}."
    )


def _checked_path(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix != ".pt":
        raise UsageError(f"{path} has the suffix {path.suffix!r}; expected a .pt file.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"{path} cannot be written: {path.parent} is no folder one may write in.")
    return path


def _checked_device(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        line = one_line(error)
        raise UsageError(f"device {device!r} does not come up in torch: {line}.") from error

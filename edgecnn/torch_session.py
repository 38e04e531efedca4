"""A torch network behind the Session protocol, so that the device's own pipeline judges it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from edgecnn.card import Card
from edgecnn.errors import EdgecnnError, one_line
from edgecnn.runtime.session import TensorSpec


class TorchSession:
    """Runs a module in evaluation mode without gradients; the mode it had is restored."""

    backend = "torch"

    def __init__(self, network: nn.Module, card: Card, device: str = "cpu") -> None:
        self.network, self.card, self.device = network, card, device
        how = card.preprocess
        inner = (how.channels, *how.size) if how.layout == "nchw" else (*how.size, how.channels)
        self.inputs: tuple[TensorSpec, ...] = (TensorSpec("batch", (None, *inner), how.dtype),)
        self.outputs: tuple[TensorSpec, ...] = (
            TensorSpec("logits", (None, len(card.labels) or None), "float32"),
        )

    def __call__(self, batch: Mapping[str, np.ndarray] | np.ndarray) -> list[np.ndarray]:
        array = batch if isinstance(batch, np.ndarray) else next(iter(batch.values()))
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                outputs = self.network(torch.from_numpy(array).to(self.device))
        except (RuntimeError, ValueError) as error:
            line = one_line(error)
            raise EdgecnnError(f"{self.card.name} failed in torch: {line}") from error
        finally:
            self.network.train(training)
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        return [output.float().cpu().numpy() for output in outputs]

    def close(self) -> None:
        """Nothing to release: the module belongs to the caller."""

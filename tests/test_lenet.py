"""LeNet-5 against the arithmetic of its paper, and against a forward pass written in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from edgecnn.runtime.preprocess import preprocess
from edgecnn.zoo import create, model_entry

VARIANTS = ("lenet5", "lenet5_relu")

# Maps, maps each of them sees, kernel, and the side that is left: section II.B of the paper.
CONVOLUTIONS = {"c1": (6, 1, 5, 28), "c3": (16, 6, 5, 10), "c5": (120, 16, 5, 1)}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_layer_has_the_parameters_that_the_paper_counts(name: str) -> None:
    network = create(name)
    counted = {
        n: sum(p.numel() for p in layer.parameters()) for n, layer in network.named_children()
    }
    expected = {n: maps * (sees * k * k + 1) for n, (maps, sees, k, _) in CONVOLUTIONS.items()}
    # The paper's own figures: C1 156, C5 48,120, F6 10,164. Its C3 has 1,516 in place of 2,416,
    # for it leaves out 36 of the 96 connections of 25 weights.
    assert expected == {"c1": 156, "c3": 1516 + 36 * 25, "c5": 48_120}
    expected |= {"s2": 0, "s4": 0, "f6": 84 * (120 + 1), "output": 10 * (84 + 1), "activation": 0}
    assert counted == expected
    assert sum(counted.values()) == model_entry(name).params == 61_706


@pytest.mark.parametrize("name", VARIANTS)
def test_maps_shrink_from_28_to_10_to_1(name: str) -> None:
    network, seen = create(name), {}
    for layer in CONVOLUTIONS:
        getattr(network, layer).register_forward_hook(
            lambda _, __, output, layer=layer: seen.update({layer: tuple(output.shape)})
        )
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 10)
    assert seen == {n: (2, maps, side, side) for n, (maps, _, _, side) in CONVOLUTIONS.items()}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_has_a_gradient_that_is_not_zero(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, classes=3).train()
    logits = network(torch.randn(16, 1, 32, 32))
    assert logits.shape == (16, 3)
    torch.nn.functional.cross_entropy(logits, torch.arange(16) % 3).backward()
    assert [n for n, p in network.named_parameters() if not p.grad.abs().max() > 0] == []


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


def quartered(x: np.ndarray) -> np.ndarray:
    """N×C×2H×2W → N×C×H×W×4: what each pooling window holds."""
    n, c, height, width = x.shape
    windows = x.reshape(n, c, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return windows.reshape(n, c, height // 2, width // 2, 4)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_forward_pass_is_that_of_numpy(name: str) -> None:
    torch.manual_seed(1)
    network = create(name)
    p = {key: value.numpy().astype(np.float64) for key, value in network.state_dict().items()}
    image = np.random.default_rng(1).normal(size=(3, 1, 32, 32))

    def active(x: np.ndarray) -> np.ndarray:
        return np.tanh(x) if name == "lenet5" else np.maximum(x, 0)

    x = image
    for layer in ("c1", "c3", "c5"):
        x = active(convolved(x, p[f"{layer}.weight"], p[f"{layer}.bias"]))
        if layer != "c5":
            x = quartered(x).mean(-1) if name == "lenet5" else quartered(x).max(-1)
    x = active(x[:, :, 0, 0] @ p["f6.weight"].T + p["f6.bias"])
    expected = x @ p["output.weight"].T + p["output.bias"]
    with torch.inference_mode():
        logits = network(torch.from_numpy(image).float()).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_black_becomes_minus_a_tenth_and_white_1_175_as_in_the_paper() -> None:
    how = model_entry("lenet5").preprocess
    black, white = np.zeros((28, 28, 3), np.uint8), np.full((28, 28, 3), 255, np.uint8)
    batch = preprocess([black, white], how)
    assert batch.shape == (2, 1, 32, 32)
    np.testing.assert_allclose(batch[0], -0.1, atol=1e-6)
    np.testing.assert_allclose(batch[1], 1.175, atol=1e-6)


def test_a_wide_picture_keeps_its_proportions_on_black() -> None:
    batch = preprocess(np.full((100, 200, 3), 255, np.uint8), model_entry("lenet5").preprocess)
    white = batch[0, 0] > 1
    assert white[8:24].all()
    assert not white[:8].any()
    assert not white[24:].any()

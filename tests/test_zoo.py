"""Every network of the zoo: its paper's parameters, shapes, gradients; real weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecnn.card import Preprocess
from edgecnn.data import open_dataset
from edgecnn.data.imagenet import imagenet_labels
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.preprocess import preprocess
from edgecnn.zoo import create, list_models, model_entry
from edgecnn.zoo.checkpoint import load_state
from edgecnn.zoo.registry import register

# Measured on the 50 labelled ImageNet pictures with the publishers' own code.
MEASURED_TOP1 = {
    "mobilenet_v2": 37,
    "efficientnet_lite0": 40,
    "efficientnet_lite1": 40,
    "efficientnet_lite2": 41,
}


@pytest.mark.parametrize("name", list_models())
def test_parameter_count_is_that_of_the_paper_or_its_reference_code(name: str) -> None:
    network = create(name)
    assert sum(p.numel() for p in network.parameters()) == model_entry(name).params


@pytest.mark.parametrize("name", list_models())
def test_forward_shape_and_a_gradient_for_every_parameter(name: str) -> None:
    how = model_entry(name).preprocess
    network = create(name, classes=7).train()
    logits = network(torch.randn(2, how.channels, *how.size))
    assert logits.shape == (2, 7)
    logits.sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None]
    assert not silent


def test_mobilenet_v2_keeps_the_stages_of_table_2() -> None:
    features = create("mobilenet_v2").features
    x, seen = torch.zeros(1, 3, 224, 224), []
    with torch.inference_mode():
        for layer in features:
            x = layer(x)
            seen.append((x.shape[1], x.shape[2]))
    widths = [32, 16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320, 1280]
    sides = [112, 112, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 14, 7, 7, 7, 7, 7]
    assert seen == list(zip(widths, sides, strict=True))


@pytest.mark.parametrize(("name", "side"), [("efficientnet_lite0", 7), ("efficientnet_lite2", 9)])
def test_same_padding_gives_ceil_of_size_over_32(name: str, side: int) -> None:
    network, size = create(name), model_entry(name).preprocess.size
    with torch.inference_mode():
        x = network.blocks(network.bn1(network.conv_stem(torch.zeros(1, 3, *size))))
    assert x.shape[2:] == (side, side)


@pytest.mark.network
@pytest.mark.parametrize("name", MEASURED_TOP1)
def test_real_weights_reach_the_measured_top1_on_the_50_pictures(name: str) -> None:
    network = create(name, weights="imagenet")
    data = open_dataset("imagenet-50").matched(imagenet_labels())
    batch = preprocess([frame for frame, _ in data], model_entry(name).preprocess)
    with torch.inference_mode():
        top1 = network(torch.from_numpy(batch)).argmax(1).numpy()
    assert len(data) == 50
    assert abs(int((top1 == data.targets).sum()) - MEASURED_TOP1[name]) <= 1


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'mobilenet_v2'"):
        create("mobilenetv2")
    with pytest.raises(UsageError, match="imagenet"):
        create("mobilenet_v2", weights="imagnet")


def test_weights_of_another_architecture_name_the_first_keys(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "other.pt"
    torch.save(create("efficientnet_lite0", classes=3).state_dict(), path)
    with pytest.raises(EdgecnnError, match=r"does not fit MobileNetV2: missing features\.0\.0"):
        load_state(create("mobilenet_v2"), path)
    with pytest.raises(EdgecnnError, match=r"classifier\.\w+ is \(3.*expected \(5"):
        load_state(create("efficientnet_lite0", classes=5), path)


def test_two_networks_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="two networks"):

        @register(paper="", year=0, params=0, preprocess=Preprocess(size=(1, 1)))
        def mobilenet_v2() -> torch.nn.Module:
            raise AssertionError("never built")


def test_random_weights_differ_from_published_ones() -> None:
    a, b = create("mobilenet_v2"), create("mobilenet_v2")
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert not np.allclose(a(x).numpy(), b(x).numpy())

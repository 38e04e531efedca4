"""EfficientNet-Lite 0-4: EfficientNet (Tan & Le 2019, arXiv 1905.11946) made for edge devices.

Against EfficientNet: no squeeze-and-excitation, ReLU6 instead of swish, stem and head not scaled.
Source: tensorflow/tpu, models/official/efficientnet/lite. Parameter names are timm's.
"""

from __future__ import annotations

import math
import re

import torch
from torch import nn
from torch.nn import functional

from edgecnn.card import Preprocess
from edgecnn.data.imagenet import imagenet_labels
from edgecnn.zoo.registry import StateDict, Weights, register

# Kernel k, channels c, repeats n, stride s, expansion t of EfficientNet-B0 (Table 1 of the paper).
STAGES = (
    (3, 16, 1, 1, 1),
    (3, 24, 2, 2, 6),
    (5, 40, 2, 2, 6),
    (3, 80, 3, 2, 6),
    (5, 112, 3, 1, 6),
    (5, 192, 4, 2, 6),
    (3, 320, 1, 1, 6),
)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _round_channels(channels: float) -> int:
    """To the nearest multiple of 8, never more than 10 % down."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class SameConv2d(nn.Conv2d):
    """TensorFlow's "SAME" padding: ceil(size / stride) outputs, the odd pixel at the far side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pads: list[int] = []
        for axis in (1, 0):
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(functional.pad(x, pads) if any(pads) else x)


def _same_conv(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Conv2d:
    kind = SameConv2d if stride > 1 else nn.Conv2d
    padding = 0 if stride > 1 else kernel // 2
    return kind(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


class DepthwiseSeparable(nn.Module):
    """Depthwise convolution and 1×1 projection: the first stage, whose expansion is 1."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _same_conv(inputs, inputs, kernel, stride, groups=inputs)
        self.bn1 = _batch_norm(inputs)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = _batch_norm(outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = functional.relu6(self.bn1(self.conv_dw(x)))
        y = self.bn2(self.conv_pw(y))
        return x + y if self.shortcut else y


class InvertedResidual(nn.Module):
    """Expand 1×1, depthwise k×k, project 1×1 without activation; shortcut where shapes allow."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.conv_pw = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = _batch_norm(hidden)
        self.conv_dw = _same_conv(hidden, hidden, kernel, stride, groups=hidden)
        self.bn2 = _batch_norm(hidden)
        self.conv_pwl = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = _batch_norm(outputs)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = functional.relu6(self.bn1(self.conv_pw(x)))
        y = functional.relu6(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.shortcut else y


class EfficientNetLite(nn.Module):
    """N×3×H×W float → N×classes logits."""

    def __init__(
        self, *, width: float, depth: float, dropout: float = 0.2, classes: int = 1000
    ) -> None:
        super().__init__()
        self.conv_stem = _same_conv(3, 32, 3, 2)
        self.bn1 = _batch_norm(32)
        stages: list[nn.Module] = []
        channels = 32
        for number, (kernel, base, repeats, first_stride, expansion) in enumerate(STAGES):
            outputs = _round_channels(base * width)
            fixed = number in (0, len(STAGES) - 1)
            blocks: list[nn.Module] = []
            for i in range(repeats if fixed else math.ceil(repeats * depth)):
                stride = first_stride if i == 0 else 1
                blocks.append(
                    DepthwiseSeparable(channels, outputs, kernel=kernel, stride=stride)
                    if expansion == 1
                    else InvertedResidual(
                        channels, outputs, kernel=kernel, stride=stride, expansion=expansion
                    )
                )
                channels = outputs
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(channels, 1280, 1, bias=False)
        self.bn2 = _batch_norm(1280)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.bn1(self.conv_stem(x)))
        x = functional.relu6(self.bn2(self.conv_head(self.blocks(x))))
        y: torch.Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return y


def from_flat_blocks(state: StateDict) -> StateDict:
    """Names of lukemelas' EfficientNet-PyTorch, where blocks are numbered through, to timm's."""
    numbers = sorted({int(n) for key in state for n in re.findall(r"^_blocks\.(\d+)\.", key)})
    expanded = {n: f"_blocks.{n}._expand_conv.weight" in state for n in numbers}
    places = dict(zip(numbers, _places(state, numbers), strict=True))
    parts = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl",
             "_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}  # fmt: skip
    plain = {**parts, "_project_conv": "conv_pw", "_bn1": "bn1", "_bn2": "bn2"}
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
             "_fc": "classifier"}  # fmt: skip
    renamed: StateDict = {}
    for key, value in state.items():
        if match := re.match(r"_blocks\.(\d+)\.(\w+)\.(\w+)$", key):
            number = int(match[1])
            names = parts if expanded[number] else plain
            renamed[f"blocks.{places[number]}.{names[match[2]]}.{match[3]}"] = value
        else:
            part, _, rest = key.partition(".")
            renamed[f"{outer[part]}.{rest}"] = value
    return renamed


def _places(state: StateDict, numbers: list[int]) -> list[str]:
    """Each block's "stage.index", from where kernel and output channels change."""
    places: list[str] = []
    stage, index, last = -1, 0, (0, 0)
    for n in numbers:
        kernel = state[f"_blocks.{n}._depthwise_conv.weight"].shape[-1]
        signature = (kernel, state[f"_blocks.{n}._project_conv.weight"].shape[0])
        stage, index = (stage, index + 1) if signature == last else (stage + 1, 0)
        last = signature
        places.append(f"{stage}.{index}")
    return places


def _preprocess(size: int) -> Preprocess:
    # The reference code feeds (pixel - 127) / 128. The whole centred square: see mobilenet.py.
    return Preprocess(size=(size, size), scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3)


def _imagenet(number: int, top1: float) -> dict[str, Weights]:
    return {
        "imagenet": Weights(
            asset=f"efficientnet_lite{number}.imagenet",
            labels=imagenet_labels,
            top1=top1,
            rename=from_flat_blocks,
        )
    }


@register(paper="arXiv 1905.11946", year=2020, params=4_652_008, preprocess=_preprocess(224),
          weights=_imagenet(0, 0.751))  # fmt: skip
def efficientnet_lite0(*, classes: int = 1000) -> nn.Module:
    return EfficientNetLite(width=1.0, depth=1.0, dropout=0.2, classes=classes)


@register(paper="arXiv 1905.11946", year=2020, params=5_416_680, preprocess=_preprocess(240),
          weights=_imagenet(1, 0.767))  # fmt: skip
def efficientnet_lite1(*, classes: int = 1000) -> nn.Module:
    return EfficientNetLite(width=1.0, depth=1.1, dropout=0.2, classes=classes)


@register(paper="arXiv 1905.11946", year=2020, params=6_092_072, preprocess=_preprocess(260),
          weights=_imagenet(2, 0.776))  # fmt: skip
def efficientnet_lite2(*, classes: int = 1000) -> nn.Module:
    return EfficientNetLite(width=1.1, depth=1.2, dropout=0.3, classes=classes)

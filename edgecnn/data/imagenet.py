"""The 1000 classes of ImageNet-1k, in the order that every pretrained network numbers them."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def imagenet_labels() -> tuple[str, ...]:
    """1000 English names; index 281 is "tabby", 985 "daisy". torchvision's wording."""
    text = Path(__file__).with_name("imagenet_labels.txt").read_text("utf-8")
    return tuple(text.splitlines())

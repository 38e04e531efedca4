"""What the loop in edgecnn/train.py is made of: recipe, samples, augmentation, records."""

from __future__ import annotations

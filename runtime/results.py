"""What a pipeline answers: frozen dataclasses of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Classes:
    """Probabilities of one frame over all classes.

    probabilities: float32, shape (classes,), 0-1.
    labels: one name per class.
    shown: how many labels are worth showing when nobody says.
    """

    probabilities: np.ndarray
    labels: tuple[str, ...]
    shown: int = 5

    def top(self, k: int | None = None) -> list[tuple[str, float]]:
        """The k most probable (label, probability), highest first; ties go to the lower index."""
        k = self.shown if k is None else max(k, 0)
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels[i], float(self.probabilities[i])) for i in order]

    @property
    def index(self) -> int:
        """Index of the most probable class."""
        return int(np.argmax(self.probabilities))

    def to_dict(self) -> dict[str, Any]:
        """JSON types: the labels worth showing."""
        return {"top": [{"label": n, "probability": round(p, 6)} for n, p in self.top()]}


Result = Classes

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
    """

    probabilities: np.ndarray
    labels: tuple[str, ...]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable (label, probability), highest first; ties go to the lower index."""
        order = np.argsort(-self.probabilities, kind="stable")[: max(k, 0)]
        return [(self.labels[i], float(self.probabilities[i])) for i in order]

    @property
    def index(self) -> int:
        """Index of the most probable class."""
        return int(np.argmax(self.probabilities))

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """JSON types: the top k."""
        return {"top": [{"label": n, "probability": round(p, 6)} for n, p in self.top(k)]}


Result = Classes

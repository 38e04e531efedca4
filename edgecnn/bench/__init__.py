"""Measure networks fairly: several models and engines in one run, each against the first."""

from __future__ import annotations

from edgecnn.bench.candidates import Row, measure

__all__ = ["Row", "measure"]

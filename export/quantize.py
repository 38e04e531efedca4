"""A float .onnx becomes an INT8 .onnx that keeps to an accuracy budget, or nothing at all."""

from __future__ import annotations

import datetime
import os
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.atomic import replacing
from edgecnn.card import Proof
from edgecnn.data.dataset import Dataset
from edgecnn.errors import EdgecnnError, UsageError, one_of
from edgecnn.export.check import run_batch
from edgecnn.export.qdq import RECIPES, QdqBuilder
from edgecnn.onnxfile import onnx_name, read_card, write_card
from edgecnn.progress import say, track
from edgecnn.runtime.preprocess import preprocess
from edgecnn.runtime.session import Session, open_session

HARM_SAMPLES = 8


@dataclass(frozen=True)
class QuantizeReport:
    """What quantizing cost.

    drop: accuracy lost on held-out pictures (labelled), else share of changed top-1; 0-1.
    float_layers: (layer, harm) of the layers that stay float; harm is the relative change of
        the outputs, ‖y - y₀‖ / ‖y₀‖, when that layer alone is quantized.
    """

    path: str
    target: str
    layers: int
    float_layers: tuple[tuple[str, float], ...]
    calibration: int
    held_out: int
    accuracy_before: float | None
    accuracy_after: float | None
    agreement: float
    drop: float
    drop_fully_quantized: float
    max_drop: float
    bytes_before: int
    bytes_after: int

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


def quantize_onnx(
    path: str | os.PathLike[str],
    data: Dataset,
    out: str | os.PathLike[str],
    *,
    target: str = "cpu",
    max_drop: float = 0.01,
    calibration: Dataset | None = None,
    samples: int = 500,
    calibration_samples: int = 100,
    max_float: float = 0.5,
) -> QuantizeReport:
    """Quantize a float .onnx for a target, within an accuracy budget.

    data: pictures; half of them calibrate, the others are held out and judge, unless
        `calibration` names pictures of its own. Labelled pictures judge by accuracy,
        unlabelled ones by agreement with the float network's top-1.
    max_drop: the budget, 0-1. Where it is broken, layers return to float in the order of their
        measured harm until it holds.
    max_float: share of layers that may stay float before quantizing counts as failed.

    Raises:
        UsageError: unknown target, a budget outside 0-1, fewer than one sample.
        EdgecnnError: no pictures, or the budget cannot be kept; nothing is written.
    """
    if target not in RECIPES:
        raise one_of("target", target, list(RECIPES))
    if not 0 <= max_drop < 1:
        raise UsageError(f"max-drop is {max_drop}; expected 0 to 1, e.g. 0.01 for one per cent.")
    if min(samples, calibration_samples) < 1:
        raise UsageError(f"samples is {min(samples, calibration_samples)}; expected 1 or more.")
    path, out = Path(path), onnx_name(out)
    card = read_card(path)
    if out.exists() and out.samefile(path):
        raise UsageError(f"{out} is the float file itself; name another file to write to.")
    # First of all: a place that cannot be written shall not cost minutes.
    with replacing(out) as temporary:
        with closing(open_session(path)) as reference:
            judge = _Judge(reference, data, calibration, samples, calibration_samples)
        report = _within_budget(path, out, temporary, judge, target, max_drop, max_float)
        provenance = {**card.provenance, "precision": "int8", "target": target}
        card = replace(card, provenance=provenance)
        write_card(temporary, card.with_proof(_proof(report, path, data)))
    return report


def _within_budget(
    path: Path,
    out: Path,
    temporary: Path,
    judge: _Judge,
    target: str,
    max_drop: float,
    max_float: float,
) -> QuantizeReport:
    """Build the INT8 file under its temporary name; give layers back to float where needed."""
    with QdqBuilder(path, RECIPES[target]) as builder:
        batches = track(judge.calibration, f"Calibrating {path.name}")
        builder.calibrate((row[None] for row in batches), temporary)
        first = verdict = judge(temporary)
        stay: list[tuple[str, float]] = []
        if verdict.drop > max_drop:
            stay, verdict = _return_layers(builder, judge, temporary, first, max_drop, max_float)
        return QuantizeReport(
            path=str(out), target=target, layers=len(builder.layers), float_layers=tuple(stay),
            calibration=len(judge.calibration), held_out=len(judge.held_out),
            accuracy_before=judge.accuracy, accuracy_after=verdict.accuracy,
            agreement=verdict.agreement, drop=verdict.drop, drop_fully_quantized=first.drop,
            max_drop=max_drop, bytes_before=path.stat().st_size,
            bytes_after=temporary.stat().st_size,
        )  # fmt: skip


@dataclass(frozen=True)
class _Verdict:
    accuracy: float | None
    agreement: float
    drop: float


class _Judge:
    """Knows what the float network says about the pictures, and measures others against it."""

    def __init__(
        self,
        reference: Session,
        data: Dataset,
        calibration: Dataset | None,
        samples: int,
        calibration_samples: int,
    ) -> None:
        self.card = reference.card
        if len(data) < (1 if calibration else 2):
            raise EdgecnnError(f"{data.name} has {len(data)} pictures; expected at least 2.")
        if calibration is None:
            calibration, data = data.split(0.5)
        if data.targets is not None:
            data = data.matched(self.card.labels)
        self.calibration = self._batch(calibration, calibration_samples, "calibration")[0]
        self.held_out, self.targets = self._batch(data, samples, "held-out")
        self.outputs = self._run(reference, self.held_out)
        self.harm_outputs = self._run(reference, self.calibration[:HARM_SAMPLES])
        self.top1 = self.outputs.argmax(1)
        self.accuracy = self._accuracy(self.top1)

    def __call__(self, candidate: Path) -> _Verdict:
        session = open_checked(candidate, self.card)
        top1 = self._run(session, self.held_out).argmax(1)
        session.close()
        accuracy, agreement = self._accuracy(top1), float((top1 == self.top1).mean())
        if accuracy is None or self.accuracy is None:
            return _Verdict(None, agreement, 1 - agreement)
        return _Verdict(accuracy, agreement, self.accuracy - accuracy)

    def harm(self, candidate: Path) -> float:
        """Relative change of the outputs on calibration pictures."""
        session = open_checked(candidate, self.card)
        outputs = self._run(session, self.calibration[:HARM_SAMPLES])
        session.close()
        change = float(np.linalg.norm(outputs - self.harm_outputs))
        return change / max(float(np.linalg.norm(self.harm_outputs)), 1e-12)

    def _accuracy(self, top1: np.ndarray) -> float | None:
        return None if self.targets is None else float((top1 == self.targets).mean())

    def _batch(self, data: Dataset, limit: int, what: str) -> tuple[np.ndarray, np.ndarray | None]:
        rows, targets = [], []
        chosen = data.subset(range(min(limit, len(data))))
        for frame, label in track(chosen, f"Reading {what} pictures", len(chosen)):
            rows.append(preprocess(frame, self.card.preprocess))
            targets.append(label)
        if not rows:
            raise EdgecnnError(f"{data.name}: none of the {what} pictures can be read.")
        return np.concatenate(rows), None if data.targets is None else np.array(targets)

    @staticmethod
    def _run(session: Session, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([run_batch(session, rows[i : i + 8]) for i in range(0, len(rows), 8)])


def open_checked(candidate: Path, card: Any) -> Session:
    """A session on a file under construction, which carries no card yet."""
    from edgecnn.runtime.backends import onnxruntime

    return onnxruntime.open_session(candidate, card, "cpu", 0)


def _return_layers(
    builder: QdqBuilder,
    judge: _Judge,
    out: Path,
    verdict: _Verdict,
    max_drop: float,
    max_float: float,
) -> tuple[list[tuple[str, float]], _Verdict]:
    """Give layers back to float, the most harmful first, until the budget holds."""
    say(f"Drop {verdict.drop:.1%} exceeds the budget {max_drop:.1%}: measuring each layer's harm.")
    with tempfile.TemporaryDirectory(prefix="edgecnn.harm.") as folder:
        trial = Path(folder) / "one.onnx"
        harms = []
        for layer in track(builder.layers, "Measuring layers", len(builder.layers)):
            builder.build(trial, only=layer)
            harms.append((layer, judge.harm(trial)))
    harms.sort(key=lambda pair: -pair[1])
    limit = int(len(harms) * max_float)
    for count in range(1, limit + 1):
        builder.build(out, keep_float=[name for name, _ in harms[:count]])
        verdict = judge(out)
        if verdict.drop <= max_drop:
            return harms[:count], verdict
    raise EdgecnnError(
        f"the budget cannot be kept: with {limit} of {len(harms)} layers in float the drop is "
        f"still {verdict.drop:.1%} (allowed {max_drop:.1%}). Nothing was written. Give more or "
        "better calibration pictures (--data), or a larger --max-drop."
    )


def _proof(report: QuantizeReport, path: Path, data: Dataset) -> Proof:
    import onnxruntime

    return Proof(
        kind="quantize",
        source=f"{path.name} (fp32)",
        target=f"int8 for {report.target}, onnxruntime {onnxruntime.__version__}",
        samples=report.held_out,
        agreement=report.agreement,
        accuracy_before=report.accuracy_before,
        accuracy_after=report.accuracy_after,
        date=datetime.date.today().isoformat(),
        details={
            "data": Path(data.name).name,
            "calibration_samples": report.calibration,
            "max_drop": report.max_drop,
            "float_layers": [name for name, _ in report.float_layers],
        },
    )

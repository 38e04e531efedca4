"""A torch module and its Card become one self-describing .onnx, or nothing at all."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from edgecnn import __version__
from edgecnn.atomic import replacing
from edgecnn.card import Card, Proof
from edgecnn.errors import EdgecnnError, UsageError, one_line
from edgecnn.export.check import TOLERANCE, Agreement, check_tolerance, compare, probe_frames
from edgecnn.onnxfile import onnx_name, write_card
from edgecnn.runtime.pipeline import Pipeline, load
from edgecnn.torch_session import TorchSession

# torch translates to 18 and up without loss; TensorRT 10 and ONNX Runtime 1.20 read up to 22.
OPSETS = range(18, 23)
OPSET = 20
MAX_BATCH = 64


def export_onnx(
    network: nn.Module,
    card: Card,
    path: str | os.PathLike[str],
    *,
    opset: int = OPSET,
    tolerance: float = TOLERANCE,
) -> tuple[Card, Agreement]:
    """Write `path`: one file, dynamic batch (1-64), the Card with its Proof inside.

    The file takes its name only after ONNX Runtime has given the network's own answers, from
    picture file to prediction, at batches 1, 2 and 5.

    tolerance: largest allowed difference of any output, relative to the largest output.

    Raises:
        UsageError: an opset that cannot be had, or a negative tolerance.
        EdgecnnError: torch cannot export the network, or the answers differ; nothing is written.
    """
    if opset not in OPSETS:
        raise UsageError(f"opset is {opset}; expected {OPSETS.start} to {OPSETS.stop - 1}.")
    check_tolerance(tolerance)
    network.eval()
    card = replace(card, provenance={**card.provenance, **_versions(network, opset)})
    with replacing(onnx_name(path)) as temporary:
        _translate(network, card, temporary, opset)
        write_card(temporary, card)
        candidate = load(temporary)
        frames = [frame for _, frame in probe_frames()]
        try:
            agreement = compare(Pipeline(TorchSession(network, card)), candidate, frames)
        finally:
            candidate.close()
        _gate(agreement, tolerance, path)
        card = card.with_proof(_proof(agreement, tolerance, opset))
        write_card(temporary, card)
    return card, agreement


def _translate(network: nn.Module, card: Card, path: Path, opset: int) -> None:
    how = card.preprocess
    shape = (how.channels, *how.size) if how.layout == "nchw" else (*how.size, how.channels)
    example = torch.zeros(2, *shape, dtype=getattr(torch, how.dtype))
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    try:
        with _quiet(), _ctrl_c_kept():
            program = torch.onnx.export(
                network, (example,), dynamo=True, opset_version=opset, verbose=False,
                input_names=["batch"], output_names=["logits"],
                dynamic_shapes=({0: batch},),
            )  # fmt: skip
            assert program is not None
            _tidy(program.model.graph)
            program.save(str(path), external_data=False)
    except OSError:
        raise
    except Exception as error:
        # torch's own words are a page of advice; what went wrong is the cause.
        line = one_line(error.__cause__ or error, 300)
        raise EdgecnnError(f"torch cannot export {type(network).__name__}: {line}") from error


def _tidy(graph: Any) -> None:
    """Name layers as the module that owns their weight; drop the exporter's stack traces.

    The traces hold paths of the machine that exported; reports speak of "features.0.0".
    """
    weights, used = set(graph.initializers), set()
    for node in graph:
        node.metadata_props.clear()
        names = [value.name for value in node.inputs if value and value.name in weights]
        owner = names[0].removesuffix(".weight") if names else None
        if owner and names[0].endswith(".weight") and owner not in used:
            used.add(owner)
            node.name = owner


def _gate(agreement: Agreement, tolerance: float, path: str | os.PathLike[str]) -> None:
    if agreement.agreement < 1 or agreement.relative_error > tolerance:
        raise EdgecnnError(
            f"{path} was not written: PyTorch and ONNX differ by {agreement.relative_error:.2e} "
            f"(allowed {tolerance:.0e}), same top-1 on {agreement.agreement:.1%} (expected 100 %). "
            "A layer behaves differently in ONNX (training mode, data-dependent control flow?)."
        )


def _proof(agreement: Agreement, tolerance: float, opset: int) -> Proof:
    import onnxruntime

    return Proof(
        kind="export",
        source=f"torch {torch.__version__}",
        target=f"onnx opset {opset}, onnxruntime {onnxruntime.__version__}",
        samples=agreement.samples,
        agreement=agreement.agreement,
        max_error=agreement.max_error,
        date=datetime.date.today().isoformat(),
        details={
            "batches": list(agreement.batches),
            "relative_error": agreement.relative_error,
            "tolerance": tolerance,
        },
    )


def _versions(network: nn.Module, opset: int) -> dict[str, str | int]:
    return {
        "edgecnn": __version__,
        "torch": torch.__version__,
        "opset": opset,
        "weights_sha256": weights_hash(network),
    }


def weights_hash(network: nn.Module) -> str:
    """SHA-256 over names, shapes and values of a network's state dict."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _ctrl_c_kept() -> Iterator[None]:
    """torch loses a Ctrl-C that strikes inside some of its imports: raise it again afterwards."""
    earlier = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(earlier):
        yield
        return
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        earlier(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
        if seen:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter writes to both streams, logging and warnings; ours is the line that matters."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as drain:
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(drain):
                yield
    finally:
        logging.disable(level)

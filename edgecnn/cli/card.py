"""Print what a model file says about itself: task, labels, preprocessing, proofs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.card import Card


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=".onnx file")


def run(args: argparse.Namespace) -> int:
    from edgecnn.cli import show
    from edgecnn.onnxfile import read_card

    card = read_card(args.model)
    if args.json:
        show.document(card.to_dict())
        return 0
    show.table(card.name, ("what", "value"), _facts(card))
    if card.proofs:
        columns = ("proof", "from", "to", "samples", "same top-1", "max error", "accuracy", "date")
        show.table("Proofs", columns, _proofs(card))
    return 0


def _facts(card: Card) -> list[tuple[str, str]]:
    how = card.preprocess
    labels = ", ".join(card.labels[:4]) + (", …" if len(card.labels) > 4 else "")
    geometry = f"{how.size[0]}×{how.size[1]} {how.color}, {how.resize}, {how.interpolation}"
    values = f"(pixel × {how.scale:.6g} - {list(how.mean)}) / {list(how.std)}"
    facts = [
        ("task", card.task),
        ("labels", f"{len(card.labels)}: {labels}"),
        ("input", geometry),
        ("values", f"{values}, {how.layout}, {how.dtype}"),
        ("decode", ", ".join(f"{k} {v}" for k, v in card.decode.items()) or "–"),
    ]
    return facts + [(key, str(value)) for key, value in card.provenance.items()]


def _proofs(card: Card) -> list[tuple[str, ...]]:
    from edgecnn.cli.show import percent

    return [
        (
            proof.kind, proof.source, proof.target, str(proof.samples), percent(proof.agreement),
            "–" if proof.max_error is None else f"{proof.max_error:.1e}",
            "–" if proof.accuracy_after is None
            else f"{percent(proof.accuracy_before)} → {percent(proof.accuracy_after)}",
            proof.date,
        )
        for proof in card.proofs
    ]  # fmt: skip

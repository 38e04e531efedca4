"""Turn a PyTorch network into one self-describing .onnx, proved equal, or refuse."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a name of the zoo, or a .pt file written by edgecnn train")
    parser.add_argument(
        "--weights", help="published weights by name (imagenet), or a file with a state dict"
    )
    parser.add_argument(
        "--labels", help="text file, one class name a line, for weights from a file"
    )
    parser.add_argument("-o", "--output", required=True, help="the .onnx file to write")
    parser.add_argument("--opset", type=int, default=20, help="ONNX opset, 18-22 (default 20)")
    parser.add_argument(
        "--tolerance", type=float, default=1e-4, help="largest relative difference (default 1e-4)"
    )


def run(args: argparse.Namespace) -> int:
    from edgecnn.cli import show
    from edgecnn.export.onnx import export_onnx
    from edgecnn.zoo.origin import network_and_card

    network, card = network_and_card(args.model, weights=args.weights, labels=args.labels)
    card, agreement = export_onnx(
        network, card, args.output, opset=args.opset, tolerance=args.tolerance
    )
    if args.json:
        show.document(
            {"path": args.output, "agreement": agreement.to_dict(), "card": card.to_dict()}
        )
        return 0
    show.line(
        f"{args.output}: {card.name}, {len(card.labels)} classes, opset {args.opset}. PyTorch and "
        f"ONNX agree on {agreement.samples} probe pictures at batches "
        f"{', '.join(map(str, agreement.batches))}: same top-1 {agreement.agreement:.0%}, "
        f"largest difference {agreement.max_error:.1e}."
    )
    return 0

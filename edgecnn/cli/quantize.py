"""Make an INT8 .onnx that keeps to an accuracy budget, or refuse."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="float .onnx file")
    parser.add_argument(
        "--data", required=True, help="folder or data set that judges (and calibrates)"
    )
    parser.add_argument(
        "--calibration", help="folder or data set to calibrate on (default: half of --data)"
    )
    parser.add_argument("--target", default="cpu", help="cpu or tensorrt (default cpu)")
    parser.add_argument("--max-drop", type=float, default=0.01, help="budget, 0-1 (default 0.01)")
    parser.add_argument(
        "--samples", type=int, default=500, help="held-out pictures at most (default 500)"
    )
    parser.add_argument("-o", "--output", required=True, help="the .onnx file to write")


def run(args: argparse.Namespace) -> int:
    from edgecnn.cli import show
    from edgecnn.data import open_dataset
    from edgecnn.export.quantize import quantize_onnx

    calibration = open_dataset(args.calibration, "train") if args.calibration else None
    report = quantize_onnx(
        args.model, open_dataset(args.data), args.output, target=args.target,
        max_drop=args.max_drop, calibration=calibration, samples=args.samples,
    )  # fmt: skip
    if args.json:
        show.document(report.to_dict())
        return 0
    judged = "accuracy" if report.accuracy_before is not None else "same top-1"
    show.table(f"{args.output} for {report.target}", ("what", "value"), [
        ("calibrated on", f"{report.calibration} pictures"),
        ("judged on", f"{report.held_out} held-out pictures (one is {1 / report.held_out:.1%})"),
        ("accuracy fp32 → int8", f"{show.percent(report.accuracy_before)} → "
                                 f"{show.percent(report.accuracy_after)}"),
        ("same top-1 as fp32", show.percent(report.agreement)),
        ("drop", f"{show.percent(report.drop)} of {judged} (budget {report.max_drop:.1%}; all "
                 f"layers int8: {show.percent(report.drop_fully_quantized)})"),
        ("size", f"{report.bytes_before / 1e6:.1f} → {report.bytes_after / 1e6:.1f} MB"),
        ("layers in float", f"{len(report.float_layers)} of {report.layers}"),
    ])  # fmt: skip
    if report.float_layers:
        show.table("Layers that stay float, most harmful first", ("layer", "harm"),
                   [(name, f"{harm:.3f}") for name, harm in report.float_layers])  # fmt: skip
    return 0

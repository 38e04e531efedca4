"""Compare two artefacts (.pt or .onnx) from image file to prediction, or validate one."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="one or two files, .pt or .onnx")
    parser.add_argument("--data", help="folder or data set to compare on (default: probe pictures)")
    parser.add_argument("--samples", type=int, default=200, help="pictures at most (default 200)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative (default 1e-4)")
    parser.add_argument("--min-agreement", type=float, default=1.0, metavar="SHARE",
                        help="share of same top-1 that is enough, 0-1 (default 1); with less than "
                        "1 the tolerance is not applied: use it for INT8 files")  # fmt: skip
    parser.add_argument("--backend", default="onnxruntime", help="engine for .onnx files")
    parser.add_argument("--device", default="cpu", help="device for .onnx files (default cpu)")


def run(args: argparse.Namespace) -> int:
    from edgecnn.cli import show
    from edgecnn.errors import EdgecnnError, UsageError
    from edgecnn.export.check import check_frames, check_tolerance, compare, open_artefact

    if len(args.models) > 2:
        raise UsageError(f"got {len(args.models)} models; expected one or two.")
    if not 0 <= args.min_agreement <= 1:
        raise UsageError(f"min-agreement is {args.min_agreement}; expected 0 to 1.")
    check_tolerance(args.tolerance)
    frames = check_frames(args.data, args.samples)
    opened = [open_artefact(path, args.backend, args.device) for path in args.models]
    reference, candidate = opened[0], opened[-1]
    # A file against itself still shows that it loads, fits its card and gives the same answer
    # alone and inside a batch.
    agreement = compare(reference, candidate, frames)
    exact = args.min_agreement >= 1
    holds = agreement.agreement >= args.min_agreement and (
        not exact or agreement.relative_error <= args.tolerance
    )
    if args.json:
        show.document({"models": args.models, "holds": holds, **agreement.to_dict()})
    else:
        show.table(" and ".join(args.models), ("what", "value"), [
            ("pictures", agreement.samples),
            ("batches", ", ".join(map(str, agreement.batches))),
            ("same top-1", show.percent(agreement.agreement)),
            ("largest difference", f"{agreement.max_error:.2e}"),
            ("relative to the output", f"{agreement.relative_error:.2e}"),
            ("smallest cosine", f"{agreement.cosine:.8f}"),
        ])  # fmt: skip
    if not holds:
        raise EdgecnnError(
            f"they do not agree: same top-1 {agreement.agreement:.1%} "
            f"(expected {args.min_agreement:.1%}), relative difference "
            f"{agreement.relative_error:.1e}"
            + (f" (allowed {args.tolerance:.0e})." if exact else ".")
        )
    return 0

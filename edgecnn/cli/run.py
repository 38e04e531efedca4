"""Recognise what is in a photo, a folder or a video; draw it, write it, print it."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=".onnx file, or several joined by + to average their answers")
    parser.add_argument("source", help="photo, folder, glob pattern or video file")
    parser.add_argument("-o", "--output", action="append", default=[], metavar="SINK",
                        help="out.mp4, out.webm, out.png, folder/, out.jsonl")  # fmt: skip
    parser.add_argument("--top", type=int, default=3, help="how many labels (default 3)")
    parser.add_argument("--smooth", type=float, default=None, metavar="SECONDS",
                        help="smoothing over time (default 0.5 for video)")  # fmt: skip
    parser.add_argument("--every", type=int, default=1, metavar="N", help="use every Nth frame")
    parser.add_argument(
        "--backend", default="onnxruntime", help="engine, or auto for the fastest here"
    )
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda, … (default cpu; never a fallback)"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="CPU threads (default: engine's choice)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing per frame")


def run(args: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from edgecnn.progress import track
    from edgecnn.runtime.recognise import expected_count, open_models, recognise
    from edgecnn.runtime.sinks import open_sink
    from edgecnn.runtime.sources import fps

    model = open_models(args.model, args.backend, args.device, args.threads)
    results = recognise(model, args.source, smooth_s=args.smooth, every=args.every, top=args.top)
    rate = (fps(args.source) or 25.0) / args.every
    uris = list(args.output)
    if not args.quiet:
        uris.append("json://" if args.json else "text://")
    if args.output and args.quiet:
        results = track(
            results, f"Recognising {args.source}", expected_count(args.source, args.every)
        )
    with ExitStack() as stack:
        stack.callback(model.close)
        sinks = [stack.enter_context(open_sink(uri, draw=model.draw, fps=rate)) for uri in uris]
        for frame, result in results:
            for sink in sinks:
                sink.write(frame, result)
    return 0

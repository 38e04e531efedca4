"""Measure models and engines against each other: latency, throughput, memory, size, accuracy."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help=".onnx files; the first is the yardstick"
    )
    parser.add_argument("--backend", action="append", metavar="NAME",
                        help="engine; may be repeated (default onnxruntime)")  # fmt: skip
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda, … (default cpu; never a fallback)"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="CPU threads (default: engine's choice)"
    )
    parser.add_argument("--batch", type=int, default=1, help="pictures in one run (default 1)")
    parser.add_argument("--rounds", type=int, default=100, help="runs of each (default 100)")
    parser.add_argument("--data", help="labelled folder or data set, for accuracy")
    parser.add_argument("--samples", type=int, default=1000, help="pictures at most (default 1000)")
    parser.add_argument("--plot", metavar="FILE", help="chart of the latencies: .png, .svg or .pdf")


def run(args: argparse.Namespace) -> int:
    from edgecnn.bench.candidates import measure
    from edgecnn.bench.chart import check_chart, save_chart
    from edgecnn.bench.machine import machine
    from edgecnn.cli import show
    from edgecnn.data import open_dataset

    if args.plot:
        check_chart(args.plot)
    data = open_dataset(args.data) if args.data else None
    rows = measure(
        args.models, args.backend or ["onnxruntime"], device=args.device, threads=args.threads,
        batch=args.batch, rounds=args.rounds, data=data, samples=args.samples,
    )  # fmt: skip
    if args.plot:
        save_chart(rows, args.plot)
    if args.json:
        show.document({"machine": machine(), "rows": [row.to_dict() for row in rows]})
        return 0
    columns = ["model", "engine", "p50/p90/p99 ms", "per s", "peak MB", "file MB", "speed"]
    table = [
        [row.name, row.backend, "/".join(f"{row.percentile_ms(p):#.3g}" for p in (50, 90, 99)),
         f"{row.throughput:.0f}", f"{row.peak_memory_mb:.0f}", f"{row.file_mb:.1f}", str(row.speed)]
        for row in rows
    ]  # fmt: skip
    if data is not None:
        columns.append("top-1")
        for cells, row in zip(table, rows, strict=True):
            cells.append(f"{row.correct}/{row.pictures}")
    show.table(
        f"{args.device}, batch {args.batch}, {args.rounds} rounds, interleaved", columns, table
    )
    show.line(
        "per s: pictures. speed: the first's time ÷ this one's, median (quartiles) of the rounds."
    )
    return 0

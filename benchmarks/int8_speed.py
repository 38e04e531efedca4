"""How much faster int8 is than fp32 on this CPU, for a ResNet-18; writes docs/benchmarks.

    python benchmarks/int8_speed.py [--rounds 60] [--runs 3]

Weights are random: they decide the answers, not the time. The activations' ranges come from
real pictures all the same, as a wrong range would saturate every layer.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from networks.resnet18 import export_resnet18

from edgecnn.bench.machine import write_page
from edgecnn.data import open_dataset
from edgecnn.export.qdq import RECIPES, QdqBuilder
from edgecnn.onnxfile import read_card, write_card
from edgecnn.progress import say, track
from edgecnn.runtime import open_session
from edgecnn.runtime.preprocess import preprocess
from edgecnn.runtime.timing import interleaved, paired_ratio

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "int8_speed.md"
GOAL = 1.7


def quantized(path: Path, out: Path) -> np.ndarray:
    """Write the int8 file; returns one of the batches that calibrated it."""
    card = read_card(path)
    pictures = track(open_dataset("imagenet-50").subset(range(20)), "Calibrating", 20)
    batches = [preprocess(frame, card.preprocess) for frame, _ in pictures]
    with QdqBuilder(path, RECIPES["cpu"]) as builder:
        builder.calibrate(batches, out)
    write_card(out, card)
    return batches[0]


def compare(
    files: list[Path], batch: np.ndarray, threads: int, rounds: int, seed: int
) -> tuple[str, ...]:
    """One line of the table: threads, fp32 and int8 in milliseconds, their ratio."""
    sessions = [open_session(file, threads=threads) for file in files]
    runs = [partial(session, batch) for session in sessions]
    for run in runs:
        run()
    times = interleaved(runs, rounds, seed=seed)
    for session in sessions:
        session.close()
    ratio = paired_ratio(times[:, 0], times[:, 1])
    fp32_ms, int8_ms = np.median(times, axis=0)
    line = (str(threads), f"{fp32_ms:.1f}", f"{int8_ms:.1f}", str(ratio))
    say(f"threads {threads}: fp32 {line[1]} ms, int8 {line[2]} ms, {line[3]}")
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3, help="whole repetitions")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "resnet18.onnx", Path(folder) / "resnet18.int8.onnx"]
        export_resnet18(files[0])
        batch = quantized(*files)
        rows = [
            compare(files, batch, threads, args.rounds, seed)
            for seed in range(args.runs)
            for threads in (2, 1)
        ]
    write_page(
        PAGE,
        "Speed of int8 on the CPU: ResNet-18, 224×224, batch 1, ONNX Runtime",
        f"python benchmarks/int8_speed.py --rounds {args.rounds} --runs {args.runs}",
        ("threads", "fp32 p50 ms", "int8 p50 ms", "fp32 ÷ int8, median (quartiles)"),
        sorted(rows, key=lambda row: -int(row[0])),
        "Both networks run in turn within each of "
        f"{args.rounds} rounds, and the ratio is taken within the round; every line is a run of "
        f"its own. The goal is at least {GOAL} on a processor with int8 dot products (VNNI). The "
        "milliseconds depend on what else the machine was doing; the ratio hardly does.",
    )
    print(PAGE.read_text("utf-8"))


if __name__ == "__main__":
    main()

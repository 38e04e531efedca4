"""Damaged model files, the same ones for the same seed, and a process that feeds them to an engine.

    python tests/mutants.py MODEL BACKEND FIRST COUNT

prints one line for each seed from FIRST on: the seed, what became of it, and why. An engine that
crashes takes this process with it: the line that is missing names the seed.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Lengths, tags, counts and signs that parsers tend to trust.
EXTREMES = (0, 1, 2, 0x08, 0x0A, 0x7F, 0x80, 0xFE, 0xFF)
VARINTS = (b"\x00", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\x80\x80\x80\x80\x08")
MEMORY_BYTES = 8 * 2**30
LIMIT_S = 20


def mutated(data: bytes, seed: int) -> bytes:
    """`data` with one to four faults: bytes changed, cut out, doubled, or the end lost."""
    dice = random.Random(seed)
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(out)) if out else 0
        length = dice.choice((1, 1, 2, 4, 16, 64))
        kind = dice.randrange(7)
        if kind == 0:
            out[at : at + 1] = bytes([dice.randrange(256)])
        elif kind == 1:
            out[at : at + 1] = bytes([dice.choice(EXTREMES)])
        elif kind == 2 and at < len(out):
            out[at] ^= 1 << dice.randrange(8)
        elif kind == 3:
            del out[at : at + length]
        elif kind == 4:
            out[at:at] = out[at : at + length]
        elif kind == 5:
            out[at : at + length] = dice.choice(VARINTS)
        elif kind == 6 and dice.random() < 0.3:
            del out[at:]
    return bytes(out)


def misfit(data: bytes, seed: int) -> bytes:
    """A well-formed ONNX file of which one to three values are wrong.

    Lengths, counts and names are what random bytes seldom change and still leave readable.
    """
    import onnx

    dice = random.Random(seed)
    model = onnx.ModelProto.FromString(data)
    for _ in range(dice.randint(1, 3)):
        fields = [(part, *field) for part in _parts(model.graph) for field in part.ListFields()]
        part, field, value = dice.choice(fields)
        if isinstance(value, int):
            setattr(part, field.name, dice.choice((-1, 0, 1, 7, 2**31 - 1, value + 1)))
        elif isinstance(value, str):
            setattr(part, field.name, dice.choice(("", "batch", "Loop", "Reshape", "\x1b[2J", "é")))
        elif isinstance(value, bytes):
            setattr(part, field.name, dice.choice((b"", value[:-1], value * 2, b"\xff" * 8)))
        elif not hasattr(value, "extend") or dice.random() < 0.3:
            part.ClearField(field.name)
        elif dice.random() < 0.5:
            value.extend([dice.choice(list(value))])
        else:
            del value[dice.randrange(len(value))]
    return bytes(model.SerializeToString())


def _parts(message: Any) -> Iterator[Any]:
    """A protobuf message and every message inside it."""
    yield message
    for _, value in message.ListFields():
        for inner in value if hasattr(value, "extend") else [value]:
            if hasattr(inner, "ListFields"):
                yield from _parts(inner)


def main(model: Path, backend: str, first: int, count: int) -> None:
    import numpy as np

    from edgecnn.errors import EdgecnnError
    from edgecnn.runtime import load

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    data = model.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant.onnx"
        for seed in range(first, first + count):
            path.write_bytes((misfit if seed % 2 else mutated)(data, seed))
            # The default action ends the process, also in the middle of an engine's loop.
            signal.alarm(LIMIT_S)
            try:
                pipeline = load(path, backend, threads=1)
                pipeline(np.zeros((4, 4, 3), np.uint8))
                pipeline.close()
                outcome = "accepted"
            except EdgecnnError as error:
                outcome = f"refused {error}"
            except Exception as error:  # noqa: BLE001 - that is what is being looked for
                outcome = f"escaped {type(error).__name__}: {error}"
            print(seed, " ".join(outcome.split()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

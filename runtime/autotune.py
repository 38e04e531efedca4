"""`--backend auto`: measure the installed engines on this very file, and remember the fastest."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.atomic import replacing
from edgecnn.cache import cache_folder, sha256_of
from edgecnn.errors import EdgecnnError, UsageError, one_line
from edgecnn.progress import say
from edgecnn.runtime.session import Session, backend_module, list_backends, open_session
from edgecnn.runtime.timing import interleaved, paired_ratio

# The Card's proofs were measured with it: another engine has to be clearly faster, and to answer
# alike. Float networks differ by 1e-6 between engines; int8 ones by several per cent, because
# each engine rounds in its own places, and no proof covers that.
DEFAULT = "onnxruntime"
ALIKE = 0.01
MEASURE_S = 1.5
_ROUNDS, _AT_LEAST = 200, 3
_KEPT = 500


def fastest_backend(path: Path, device: str, threads: int) -> str:
    """The installed backend that runs this network fastest on that device.

    They are measured against each other for one to two seconds. A backend is left out when its
    answers differ by more than 1 % from the default backend's, which also wins where the
    difference in speed drowns in noise. The choice is kept in `autotune.json` in the cache folder
    for as long as file, device, threads, processor and installed engines stay the same.

    threads: CPU threads of one run; 0 lets each engine choose.

    Raises:
        EdgecnnError: no backend can run it; the line says why not, for each.
    """
    if threads < 0:
        raise UsageError(f"threads is {threads}; expected 0 (the engine chooses) or more.")
    key = _key(path, device, threads)
    kept = _recall()
    remembered = kept.get(key)
    if remembered in list_backends():
        return str(remembered)
    names, absent = _readers(path)
    with ExitStack() as opened:
        runs, faults = _candidates(names, path, device, threads, opened)
        if not runs:
            raise _none(path, device, faults, absent)
        winner, found = _measured(runs)
    left_out = "".join(f"; {name} left out: {fault}" for name, fault in faults.items())
    say(f"auto: {winner} for {path.name} on {device} ({found}){left_out}")
    # A driver can be installed, a library repaired: such an engine is tried again next time.
    if all(isinstance(fault, UsageError | _OtherAnswers) for fault in faults.values()):
        _remember({**kept, key: winner})
    return winner


class _OtherAnswers(EdgecnnError):
    """A backend that runs the network and answers differently."""


def _readers(path: Path) -> tuple[list[str], dict[str, EdgecnnError]]:
    """Installed backends that read this kind of file, the default first; why others are absent."""
    names: list[str] = []
    absent: dict[str, EdgecnnError] = {}
    for name in sorted(list_backends(), key=lambda name: (name != DEFAULT, name)):
        try:
            if path.suffix in backend_module(name).SUFFIXES:
                names.append(name)
        except EdgecnnError as error:
            absent[name] = error
    return names, absent


def _candidates(
    names: list[str], path: Path, device: str, threads: int, opened: ExitStack
) -> tuple[dict[str, Callable[[], object]], dict[str, EdgecnnError]]:
    """One run of each backend that can, and what is wrong with the others."""
    runs: dict[str, Callable[[], object]] = {}
    faults: dict[str, EdgecnnError] = {}
    expected: list[np.ndarray] = []
    for name in names:
        try:
            session = opened.enter_context(closing(open_session(path, name, device, threads)))
            run = partial(session, _noise(session))
            answer = run()
            expected = expected or answer
            _check_alike(answer, expected)
        except EdgecnnError as error:
            faults[name] = error
        except ImportError as error:
            # The package is there, a library that it links is not.
            faults[name] = EdgecnnError(one_line(error))
        else:
            runs[name] = run
    return runs, faults


def _check_alike(answer: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for got, wanted in zip(answer, expected, strict=True):
        size = float(np.linalg.norm(wanted.astype(np.float64)))
        difference = float(np.linalg.norm(got.astype(np.float64) - wanted))
        if not difference <= ALIKE * size:
            share = difference / size if size else float("inf")
            raise _OtherAnswers(f"its answers differ from the first backend's by {share:.1%}")


def _noise(session: Session) -> np.ndarray:
    """A batch that the network takes: values around 0 for float networks, 0-255 for uint8."""
    spec, how = session.inputs[0], session.card.preprocess
    inner = (*how.size, how.channels) if how.layout == "nhwc" else (how.channels, *how.size)
    shape = (spec.shape[0] or 1, *inner)
    random = np.random.default_rng(0)
    if spec.dtype == "uint8":
        return random.integers(0, 256, shape, np.uint8)
    return random.standard_normal(shape, np.float32)


def _measured(runs: dict[str, Callable[[], object]]) -> tuple[str, str]:
    """The winner, and the finding in words."""
    names = list(runs)
    if len(names) == 1:
        return names[0], "the only one here that can"
    times = interleaved(
        list(runs.values()), _ROUNDS, at_least=_AT_LEAST, limit_s=MEASURE_S, settle=1
    )
    ratios = [paired_ratio(times[:, 0], times[:, i]) for i in range(len(names))]
    best = max(range(len(names)), key=lambda i: ratios[i].median)
    # Not even three rounds in four agree that it is faster.
    if ratios[best].low <= 1:
        best = 0
    medians = np.median(times, axis=0)
    found = ", ".join(f"{name} {ms:.2f} ms" for name, ms in zip(names, medians, strict=True))
    return names[best], found


def _none(
    path: Path, device: str, faults: dict[str, EdgecnnError], absent: dict[str, EdgecnnError]
) -> EdgecnnError:
    if not faults:
        listed = " ".join(str(error) for error in absent.values())
        kind = path.suffix or "such"
        return EdgecnnError(f"{path}: no installed backend reads {kind} files. {listed}".strip())
    if len(faults) == 1:
        return next(iter(faults.values()))
    listed = " ".join(f"{name}: {fault}" for name, fault in faults.items())
    usage = all(isinstance(fault, UsageError) for fault in faults.values())
    message = f"no backend can run {path} on {device}. {listed}"
    return UsageError(message) if usage else EdgecnnError(message)


def _key(path: Path, device: str, threads: int) -> str:
    return f"{sha256_of(path)} {device} threads={threads} [{_processor()}] [{_engines()}]"


def _processor() -> str:
    """Model and usable cores, for instance "AMD EPYC ×2"."""
    model = ""
    for file in ("/proc/device-tree/model", "/proc/cpuinfo"):
        if not model and Path(file).is_file():
            text = Path(file).read_text("utf-8", errors="replace").rstrip("\0")
            found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
            model = found[1] if found else "" if file.endswith("cpuinfo") else text.strip()
    return f"{model or os.uname().machine} ×{len(os.sched_getaffinity(0))}"


def _engines() -> str:
    """Installed engines with their versions, read off folder names: nothing is imported."""
    names = tuple(list_backends())
    found = {
        info.name.removesuffix(".dist-info")
        for folder in sys.path
        for info in Path(folder or ".").glob("*.dist-info")
        if info.name.lower().startswith(names)
    }
    return " ".join(sorted(found))


def _memory() -> Path:
    return cache_folder() / "autotune.json"


def _recall() -> dict[str, Any]:
    """What earlier runs found; empty, with a warning line, where the file is damaged."""
    file = _memory()
    try:
        kept = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        say(f"warning: {file} cannot be read ({error}); measuring anew")
        return {}
    if not isinstance(kept, dict):
        say(f"warning: {file} is damaged; measuring anew")
        return {}
    return kept


def _remember(kept: dict[str, Any]) -> None:
    """Write the newest choices; a cache that cannot be written costs a second, nothing else."""
    file = _memory()
    newest = dict(list(kept.items())[-_KEPT:])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(newest, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except (OSError, EdgecnnError) as error:
        say(f"warning: the choice is not remembered: {error}")

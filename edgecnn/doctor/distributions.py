"""Several distributions of one module: they overwrite or hide each other without a word."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from edgecnn.doctor import Finding
from edgecnn.doctor.gpu import has_nvidia_gpu

_OPENCV = re.compile(r"opencv-(contrib-)?python(-headless)?(-rolling)?$")
_TITLES = {"onnxruntime": "onnxruntime", "cv2": "OpenCV"}


def check(root: Path = Path("/"), path: Sequence[str] | None = None) -> list[Finding]:
    """Look for two onnxruntimes and two OpenCVs.

    Both arguments are for tests: the root folder, and the folders to search (sys.path's default).
    """
    # One folder may stand on the path under two names (lib64 → lib).
    folders = sys.path if path is None else path
    places = list(dict.fromkeys(str(Path(folder).resolve()) for folder in folders))
    findings = []
    for module in _TITLES:
        found = providers_of(module, places)
        same_folder = [owners for owners in found.values() if len(owners) > 1]
        if same_folder:
            findings.append(_overwritten(module, same_folder[0], root))
        hidden = [place for place in places if _holds(place, module)]
        if len(hidden) > 1:
            findings.append(_hidden(module, hidden, found.get(hidden[0], {})))
    return findings or [Finding("distributions", "ok", "one OpenCV and one onnxruntime at most")]


def providers_of(module: str, places: Sequence[str]) -> dict[str, dict[str, str]]:
    """Which distributions bring `module`: folder → {distribution name: version}."""
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for distribution in metadata.distributions(path=list(places)):
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        top_level = (distribution.read_text("top_level.txt") or "").split()
        if module in top_level or _is_known(name, module):
            owners[str(Path(str(distribution.locate_file(""))).resolve())][name] = (
                distribution.version
            )
    return dict(owners)


def _is_known(name: str, module: str) -> bool:
    if module == "cv2":
        return _OPENCV.match(name) is not None
    return name in {"onnxruntime", "onnxruntime-gpu"}


def _overwritten(module: str, owners: dict[str, str], root: Path) -> Finding:
    choose: Callable[[dict[str, str], Path], str] = (
        _choose_opencv if module == "cv2" else _choose_onnxruntime
    )
    keep = choose(owners, root)
    version = f"=={owners[keep]}" if keep in owners else ""
    listed = ", ".join(f"{name} {number}" for name, number in sorted(owners.items()))
    message = f"{len(owners)} distributions share one folder, the last installed wins: {listed}"
    remedy = f"pip uninstall -y {' '.join(sorted(owners))} && pip install {keep}{version}"
    return Finding(f"two {_TITLES[module]}s", "fault", message, remedy)


def _choose_opencv(owners: dict[str, str], root: Path) -> str:
    """The distribution that can do all that the installed ones can."""
    contrib = "contrib-" if any("contrib" in name for name in owners) else ""
    headless = "-headless" if all(name.endswith("-headless") for name in owners) else ""
    return f"opencv-{contrib}python{headless}"


def _choose_onnxruntime(owners: dict[str, str], root: Path) -> str:
    if "onnxruntime-gpu" in owners and has_nvidia_gpu(root):
        return "onnxruntime-gpu"
    return "onnxruntime" if "onnxruntime" in owners else min(owners)


def _holds(place: str, module: str) -> bool:
    folder = Path(place)
    is_package = (folder / module / "__init__.py").is_file()
    return is_package or any(folder.glob(f"{module}.*.so")) or (folder / f"{module}.py").is_file()


def _hidden(module: str, places: list[str], owners: dict[str, str]) -> Finding:
    message = f"the one in {places[0]} hides the one in {', '.join(places[1:])}"
    remedy = f"Rename what is called {module} in {places[0]}."
    if owners:
        remedy = f"Fine where it is meant; for the other: pip uninstall -y {' '.join(owners)}"
    return Finding(f"two {_TITLES[module]}s", "warn", message, remedy)

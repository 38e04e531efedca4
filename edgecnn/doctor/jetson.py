"""NVIDIA Jetson boards: model, JetPack, and whether this Python sees JetPack's packages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from edgecnn.doctor import Finding

# L4T's major release → JetPack's major, and the Python that JetPack's packages are built for.
_JETPACK = {32: (4, (3, 6)), 34: (5, (3, 8)), 35: (5, (3, 8)), 36: (6, (3, 10))}
_NEWEST = (7, (3, 12))
_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")


def check(root: Path = Path("/"), python: tuple[int, int] = sys.version_info[:2]) -> list[Finding]:
    """What Jetson this is; one line "absent" elsewhere. Both arguments are for tests."""
    model = board(root)
    if not model:
        return [Finding("Jetson", "absent", "not a Jetson")]
    release = l4t(root)
    if release is None:
        message = f"{model}, but {root / 'etc/nv_tegra_release'} is missing: JetPack unknown"
        remedy = "In a container take an l4t base image; else flash JetPack."
        return [Finding("Jetson", "warn", message, remedy)]
    packages = dpkg(root)
    major, wants = _JETPACK.get(release[0], _NEWEST)
    jetpack = packages.get("nvidia-jetpack", "").split("+")[0] or f"{major}.x"
    message = f"{model}, JetPack {jetpack}, L4T {release[0]}.{release[1]}"
    libraries = {"TensorRT": r"libnvinfer\d+$", "cuDNN": r"libcudnn\d+(-cuda-\d+)?$"}
    for name, pattern in libraries.items():
        versions = [value for key, value in packages.items() if re.match(pattern, key)]
        message += f", {name} {versions[0].split('-')[0]}" if versions else f", no {name}"
    findings = [Finding("Jetson", "ok", message)]
    if major < 6:
        findings.append(_too_old(major))
    elif python != wants:
        findings.append(_other_python(python, wants))
    elif "nvidia-jetpack" not in packages and "libnvinfer-bin" not in packages:
        remedy = "sudo apt-get update && sudo apt-get install nvidia-jetpack"
        findings.append(Finding("JetPack packages", "warn", "not installed", remedy))
    return findings


def board(root: Path = Path("/")) -> str:
    """The Jetson's model as the board itself gives it; empty where this is no Jetson."""
    try:
        model = (
            (root / "proc/device-tree/model").read_bytes().rstrip(b"\0").decode(errors="replace")
        )
    except OSError:
        return ""
    known = "jetson" in model.lower() or (root / "etc/nv_tegra_release").exists()
    return model if known else ""


def l4t(root: Path = Path("/")) -> tuple[int, str] | None:
    """L4T's release and revision, for instance (36, "4.3"); None where it is not known."""
    try:
        found = _RELEASE.search((root / "etc/nv_tegra_release").read_text(errors="replace"))
    except OSError:
        return None
    return (int(found[1]), found[2]) if found else None


def dpkg(root: Path = Path("/")) -> dict[str, str]:
    """Installed Debian packages, name → version; {} where there is no dpkg."""
    try:
        text = (root / "var/lib/dpkg/status").read_text(errors="replace")
    except OSError:
        return {}
    installed = {}
    for entry in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", entry, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            installed[fields["Package"]] = fields.get("Version", "")
    return installed


def _too_old(major: int) -> Finding:
    message = f"JetPack {major} has a Python older than 3.10 and no TensorRT 10"
    return Finding("JetPack version", "warn", message, "Flash JetPack 6 or newer.")


def _other_python(python: tuple[int, int], wants: tuple[int, int]) -> Finding:
    message = (
        f"this is Python {python[0]}.{python[1]}, JetPack's TensorRT and OpenCV are built for "
        f"{wants[0]}.{wants[1]}: they do not import here"
    )
    remedy = f"python{wants[0]}.{wants[1]} -m venv --system-site-packages .venv"
    return Finding("JetPack Python", "warn", message, remedy)

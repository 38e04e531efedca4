"""Write requirements/lock.txt: install every extra in clean environments and freeze them.

Python 3.10 runs the runtime only and needs older versions of some packages, so both it and a
newer Python are asked; where they differ, the line carries a marker. Versions already pinned
are kept unless --upgrade is given. Run it by `make lock`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
EXTRAS = "cpu,openvino,train,report,rtx,test,lint"
HEADER = """\
# Every version that edgecnn was tested with. Made by `make lock`; do not edit by hand.
# Use it as constraints: pip install -c requirements/lock.txt -e ".[cpu]"
"""
# A CUDA build of torch pins these itself, each release its own.
BROUGHT_BY_TORCH = re.compile(r"(nvidia|cuda|triton)(-|$)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest version of all")
    parser.add_argument("--python310", default="python3.10", help="a Python 3.10")
    parser.add_argument("--torch", default="", help="a version of torch to keep to")
    args = parser.parse_args()
    constraints = [] if args.upgrade or not LOCK.exists() else ["-c", str(LOCK)]
    newer = freeze(sys.executable, [*constraints, *filter(None, [args.torch])])
    try:
        older = freeze(args.python310, constraints)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"lock: {args.python310} does not work ({error}). Name one: --python310 PATH.")
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text(HEADER + "".join(f"{line}\n" for line in merge(older, newer)))
    print(f"{LOCK.relative_to(ROOT)}: {len(older | newer)} packages")
    return 0


def freeze(python: str, arguments: list[str]) -> dict[str, str]:
    """Name → version of all that `python` installs for the project's extras."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        install = [*pip, "install", "--quiet", *arguments]
        subprocess.run([*install, "--upgrade", "pip", "setuptools"], check=True)
        subprocess.run([*install, "--no-build-isolation", f"{ROOT}[{EXTRAS}]"], check=True)
        lines = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        )
    pins = {}
    for line in lines.stdout.splitlines():
        if " @ " in line and not line.startswith("edgecnn"):
            sys.exit(f"lock: {line.split()[0]} comes from a file; name a version instead.")
        name, _, version = line.partition("==")
        if version and not BROUGHT_BY_TORCH.match(name):
            # "2.13.0+cpu" names one build; any build of 2.13.0 will do.
            pins[name] = version.partition("+")[0]
    return pins


def merge(older: dict[str, str], newer: dict[str, str]) -> list[str]:
    """One line for each pin, with a marker where Python 3.10 needs another."""
    lines = []
    for name in sorted(older | newer, key=str.lower):
        old, new = older.get(name), newer.get(name)
        if old == new:
            lines.append(f"{name}=={new}")
            continue
        if new:
            lines.append(f'{name}=={new} ; python_version >= "3.11"')
        if old:
            lines.append(f'{name}=={old} ; python_version < "3.11"')
    return lines


if __name__ == "__main__":
    sys.exit(main())

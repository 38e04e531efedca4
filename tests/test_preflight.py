"""What `make` says on a machine that lacks something; machines are folders of stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house import ROOT

PREFLIGHT = ROOT / ".ci" / "preflight.sh"


class Machine:
    """A PATH with the shell's tools and the Pythons that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in ("sh", "df", "awk", "tr", "basename"):
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)

    def python(self, name: str, version: str, with_venv: bool = True) -> None:
        """A stand-in that answers the preflight's two questions."""
        script = self.bin / name
        script.write_text(
            "#!/bin/sh\n"
            f'case "$2" in *version_info*) echo {version} ;; *) exit {int(not with_venv)} ;; esac\n'
        )
        script.chmod(0o755)

    def preflight(self, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "NEED_GB", "TMPDIR")}
        environment = {**kept, "PATH": str(self.bin), **variables}
        command = ["/bin/sh", str(PREFLIGHT)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_takes_python3_when_it_will_do(machine: Machine) -> None:
    machine.python("python3", "3 12")
    machine.python("python3.11", "3 11")
    done = machine.preflight(NEED_GB="0")
    assert (done.returncode, done.stdout) == (0, f"{machine.bin}/python3\n")
    assert done.stderr.startswith(f"python  3.12 ({machine.bin}/python3), with venv: ok\ndisk ")


def test_looks_for_a_newer_python_beside_an_old_one(machine: Machine) -> None:
    machine.python("python3", "3 10")
    machine.python("python3.12", "3 12")
    assert machine.preflight(NEED_GB="0").stdout == f"{machine.bin}/python3.12\n"


def test_passes_over_a_stand_in_that_does_not_run(machine: Machine) -> None:
    (machine.bin / "python3").write_text("#!/bin/sh\nexit 127\n")
    (machine.bin / "python3").chmod(0o755)
    machine.python("python3.11", "3 11")
    assert machine.preflight(NEED_GB="0").stdout == f"{machine.bin}/python3.11\n"


def test_real_python_is_accepted(machine: Machine) -> None:
    done = machine.preflight(NEED_GB="0", PYTHON=sys.executable)
    assert (done.returncode, done.stdout) == (0, f"{sys.executable}\n")


@pytest.mark.parametrize(
    ("pythons", "variables", "line"),
    [
        ({}, {}, "sudo apt install python3 python3-venv"),
        ({"python3": ("3 10", True)}, {}, "python3 is Python 3.10; expected 3.11 or newer"),
        ({"python3": ("3 11", False)}, {}, "sudo apt install python3-venv"),
        (
            {"python3": ("3 10", True), "python3.12": ("3 12", False)},
            {},
            "sudo apt install python3.12-venv",
        ),
        ({"python3": ("3 12", True)}, {"PYTHON": "python3.9"}, "PYTHON=python3.9 does not run"),
        ({"python3": ("3 12", True)}, {"NEED_GB": "999999"}, "expected 999999 GB"),
        ({"python3": ("3 12", True)}, {"TMPDIR": "/nowhere", "NEED_GB": "0"}, "Set TMPDIR"),
    ],
)
def test_says_in_one_line_what_is_missing(
    machine: Machine,
    pythons: dict[str, tuple[str, bool]],
    variables: dict[str, str],
    line: str,
) -> None:
    for name, (version, with_venv) in pythons.items():
        machine.python(name, version, with_venv)
    done = machine.preflight(**variables)
    assert (done.returncode, done.stdout) == (1, "")
    faults = [text for text in done.stderr.splitlines() if text.startswith("make: ")]
    assert len(faults) == 1
    assert line in faults[0]

"""The wheel holds all that the folders hold, and works where only its dependencies are."""

from __future__ import annotations

import importlib.metadata as metadata
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import tomllib
from house import FOLDERS, ROOT, imports, modules, packages
from packaging.requirements import Requirement

PROVIDERS = metadata.packages_distributions()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_folder_is_listed() -> None:
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == packages()


@pytest.mark.parametrize("name", modules())
def test_every_imported_library_is_declared(name: str) -> None:
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {_normal(Requirement(line).name) for group in groups for line in group}
    for found in imports(modules()[name]):
        top = found.module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "edgecnn":
            continue
        # tensorrt_rtx and its like are not installed here: there the names are the same.
        offered = {_normal(one) for one in PROVIDERS.get(top, [top])}
        assert offered & declared, f"{modules()[name]}:{found.line} imports {top}"


def test_locked_versions_satisfy_pyproject() -> None:
    """`make lock` was run after the last change of pyproject.toml."""
    text = (ROOT / "requirements" / "lock.txt").read_text("utf-8")
    lines = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    pins = {_normal(pin.name): str(pin.specifier)[2:] for pin in lines if _applies(pin)}
    project = PYPROJECT["project"]
    extras = ("cpu", "openvino", "train", "report", "rtx", "test", "lint")
    groups = [project["dependencies"], *(project["optional-dependencies"][e] for e in extras)]
    for wanted in (Requirement(line) for group in groups for line in group):
        if _applies(wanted):
            assert wanted.specifier.contains(pins[_normal(wanted.name)]), str(wanted)


def test_lock_holds_versions_only() -> None:
    """No machine's path, no registry, no build of one machine ("+cpu")."""
    text = (ROOT / "requirements" / "lock.txt").read_text("utf-8")
    pin = re.compile(r'[\w.-]+==[\w.]+( ; python_version (>=|<) "3\.11")?')
    assert [x for x in text.splitlines() if not x.startswith("#") and not pin.fullmatch(x)] == []


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is built from: setuptools writes into the folder that it builds."""
    source = tmp_path_factory.mktemp("source")
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    for path in FOLDERS.values():
        shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
               "--no-build-isolation", "--wheel-dir", str(folder), str(source)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("edgecnn-*.whl"))


@pytest.fixture(scope="module")
def device(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with edgecnn[cpu] and what that asks for; nothing else of ours is visible."""
    folder = tmp_path_factory.mktemp("device")
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    for name in _closure("edgecnn", ("cpu",)):
        for entry in _top_entries(name):
            (site / entry.name).symlink_to(entry)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install",
               "--quiet", "--no-deps", "--no-index", str(wheel)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_wheel_holds_every_file(source: Path, wheel: Path) -> None:
    expected = {
        f"{prefix.replace('.', '/')}/{path.relative_to(source / folder.name).as_posix()}"
        for prefix, folder in FOLDERS.items()
        for path in (source / folder.name).rglob("*")
        if path.is_file()
    }
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == expected


def test_wheel_carries_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    (licence,) = [name for name in names if name.endswith("licenses/LICENSE")]
    assert b"Apache License" in zipfile.ZipFile(wheel).read(licence)


def test_device_imports_the_runtime(device: Path) -> None:
    code = "import edgecnn, edgecnn.runtime as r; print(edgecnn.__file__, r.__file__, r.load)"
    out = _run(device / "bin/python", "-c", code, cwd=device)
    assert out.count(str(device / "lib")) == 2
    assert "function load" in out


def test_device_imports_every_runtime_module(wheel: Path, device: Path) -> None:
    files = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")]
    names = [n.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for n in files]
    wanted = [n for n in names if n.startswith(("edgecnn.runtime", "edgecnn.cli"))]
    code = "import importlib\n" + "\n".join(f"importlib.import_module({n!r})" for n in wanted)
    _run(device / "bin/python", "-c", code, cwd=device)


def test_device_has_no_torch(device: Path) -> None:
    """Else the two tests above would prove nothing."""
    assert find_spec("torch") is not None
    code = "from importlib.util import find_spec as f; print(f('torch'), f('onnx'), f('openvino'))"
    assert _run(device / "bin/python", "-c", code, cwd=device) == "None None None\n"


def test_device_lists_the_verbs(device: Path) -> None:
    out = _run(device / "bin/edgecnn", "--help", cwd=device)
    assert "usage: edgecnn VERB" in out
    assert "Recognise what is in a photo" in out


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _closure(name: str, extras: tuple[str, ...] = ()) -> set[str]:
    """Distributions that `name[extras]` needs, by their own metadata."""
    seen: set[str] = set()
    waiting = [(name, extras)]
    while waiting:
        name, extras = waiting.pop()
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            marker = needed.marker
            wanted = not marker or any(marker.evaluate({"extra": e}) for e in ("", *extras))
            if wanted and _normal(needed.name) not in seen:
                seen.add(_normal(needed.name))
                waiting.append((needed.name, tuple(needed.extras)))
    return seen


def _top_entries(name: str) -> Iterator[Path]:
    """Files and folders of a distribution at the top of site-packages."""
    files = metadata.files(name) or []
    base = Path(metadata.distribution(name).locate_file(""))
    for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
        yield base / top


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

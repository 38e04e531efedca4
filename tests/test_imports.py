"""Who may import whom, and what must not be loaded by whom."""

from __future__ import annotations

import subprocess
import sys
from ast import literal_eval
from importlib import import_module

import pytest
from house import imports, modules

MODULES = modules()
# What a device does not have.
TRAINING = ("torch", "torchvision", "onnx", "onnxscript", "matplotlib")
HEAVY = {*TRAINING, "numpy", "cv2", "onnxruntime", "openvino", "rich", "PIL"}
# What every part may use, and what they may use themselves: the standard library.
SHARED = ("edgecnn.atomic", "edgecnn.cache", "edgecnn.card", "edgecnn.errors", "edgecnn.onnxfile",
          "edgecnn.progress")  # fmt: skip

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Block())
"""


def python(code: str) -> str:
    """What `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def below(name: str, *parents: str) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def test_runtime_and_cli_import_without_torch_and_onnx() -> None:
    names = [n for n in MODULES if below(n, "edgecnn.runtime", "edgecnn.cli", *SHARED)]
    code = BLOCK.format(blocked=TRAINING) + "import importlib\n"
    code += "".join(f"importlib.import_module({name!r})\n" for name in names)
    code += f"print(sorted(set(sys.modules) & set({TRAINING!r})))"
    assert python(code).strip() == "[]"


def test_the_block_blocks() -> None:
    code = BLOCK.format(blocked=TRAINING) + "import onnx"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: onnx is blocked" in done.stderr


@pytest.mark.smoke
def test_import_of_runtime_loads_no_library() -> None:
    code = "import sys, edgecnn.runtime; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    loaded = set(literal_eval(python(code)))
    assert "edgecnn" in loaded
    assert not loaded & HEAVY


@pytest.mark.smoke
def test_help_loads_no_library() -> None:
    code = (
        "import sys, edgecnn.cli; code = edgecnn.cli.main(['--help']); "
        "print(sorted({n.partition('.')[0] for n in sys.modules})); sys.exit(code)"
    )
    loaded = set(literal_eval(python(code).splitlines()[-1]))
    assert not loaded & HEAVY


@pytest.mark.parametrize("name", [n for n in MODULES if below(n, "edgecnn.runtime")])
def test_runtime_imports_only_itself_and_the_shared_modules(name: str) -> None:
    found = list(imports(MODULES[name]))
    # Names that are no modules ("edgecnn.card.Card") stand beside their module.
    wrong = [
        i
        for i in found
        if i.module in MODULES
        and i.module != "edgecnn"
        and not below(i.module, "edgecnn.runtime", *SHARED)
    ]
    assert not wrong, f"{MODULES[name]} imports {[(i.module, i.line) for i in wrong]}"
    assert not [i for i in found if below(i.module, *TRAINING)]


@pytest.mark.parametrize("name", [n for n in SHARED if n in MODULES])
def test_shared_modules_need_only_the_standard_library(name: str) -> None:
    allowed = (*sys.stdlib_module_names, *SHARED)
    if name == "edgecnn.progress":
        allowed = (*allowed, "rich")
    wrong = [i for i in imports(MODULES[name]) if not below(i.module, *allowed)]
    assert not wrong, f"{MODULES[name]} imports {[(i.module, i.line) for i in wrong]}"


@pytest.mark.parametrize("name", [n for n in MODULES if not below(n, "edgecnn.export")])
def test_only_verbs_import_export_and_only_when_run(name: str) -> None:
    for found in imports(MODULES[name]):
        if below(found.module, "edgecnn.export"):
            assert below(name, "edgecnn.cli"), f"{MODULES[name]}:{found.line}"
            assert found.lazy, f"{MODULES[name]}:{found.line} imports at the top"


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_absolute_and_name_the_package(name: str) -> None:
    for found in imports(MODULES[name]):
        where = f"{MODULES[name]}:{found.line}"
        assert not found.relative, f"{where} is relative"
        # A second copy of the module: its classes are not the same classes.
        assert found.module.partition(".")[0] not in ("runtime", "export"), where


PUBLIC = {
    "edgecnn": [
        "Card", "EdgecnnError", "Preprocess", "Proof", "__version__", "create", "frames",
        "list_models", "load", "read_card",
    ],
    "edgecnn.runtime": [
        "Classes", "Ensemble", "Frame", "Pipeline", "Smoother", "frames", "load", "open_session",
        "open_sink",
    ],
}  # fmt: skip


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names(package: str) -> None:
    """Taking a name away breaks users: this list changes together with CHANGELOG.md."""
    module = import_module(package)
    assert sorted(module.__all__) == PUBLIC[package]
    for name in module.__all__:
        assert getattr(module, name) is not None
        # Once the submodule is imported, the name would mean the module.
        assert f"{package}.{name}" not in MODULES

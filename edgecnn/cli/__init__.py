"""The command line: one verb per file in this folder; each parses, calls the library, shows."""

from __future__ import annotations

import argparse
import ast
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NoReturn

from edgecnn import __version__
from edgecnn.errors import EdgecnnError, UsageError, one_of

HIDDEN = ("show",)
_EXTRAS = {"torch": "train", "onnx": "train", "onnxscript": "train", "onnx_ir": "train",
           "cv2": "cpu", "onnxruntime": "cpu", "openvino": "openvino",
           "matplotlib": "report", "jinja2": "report"}  # fmt: skip


def list_verbs() -> list[str]:
    """Names of the verbs: the files beside this one."""
    return sorted(m.name for m in iter_modules(__path__) if m.name not in HIDDEN)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    warnings.showwarning = _warn
    if hasattr(sys.stdout, "reconfigure"):
        # File names need not be text, and a terminal need not know every letter.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as error:
        return _interrupted(error)
    except Exception as error:
        if any(isinstance(cause, KeyboardInterrupt) for cause in _chain(error)):
            # Libraries that clean up after Ctrl-C may stumble and raise something else instead.
            return _interrupted(error)
        _finish(error)
        if isinstance(error, OSError):
            _give_up_stdout()
        if isinstance(error, BrokenPipeError):
            # The reader (head, less) has enough.
            return 0
        if os.environ.get("EDGECNN_DEBUG") and not isinstance(error, EdgecnnError):
            raise
        sys.stderr.write(f"edgecnn: {_one_line(_explained(error))}\n")
        return 2 if isinstance(error, UsageError) else 1


def _interrupted(error: BaseException) -> int:
    _finish(error)
    sys.stderr.write("edgecnn: interrupted.\n")
    return 130


def _finish(error: BaseException) -> None:
    """Let progress bars end now: they live in the frames that the error holds."""
    for cause in _chain(error):
        traceback.clear_frames(cause.__traceback__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _explained(error: Exception) -> str:
    if isinstance(error, EdgecnnError):
        return str(error)
    if isinstance(error, OSError):
        cause = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {cause}." if error.filename else f"{cause}."
    if isinstance(error, MemoryError):
        return f"out of memory. {error}"
    if isinstance(error, ModuleNotFoundError):
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        remedy = f' Type: pip install "edgecnn[{extra}]".' if extra else ""
        return f"{error.name} is not installed, which this needs.{remedy}"
    text = f"{type(error).__name__}: {error}"[:300]
    return f"internal error, please report it. {text} (EDGECNN_DEBUG=1 shows where)"


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(_overview() + "\n")
        return 0 if argv else 2
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"edgecnn {__version__}\n")
        return 0
    verb, *rest = argv
    if verb not in list_verbs():
        raise one_of("verb", verb, list_verbs())
    module = import_module(f"edgecnn.cli.{verb}")
    parser = _Parser(
        prog=f"edgecnn {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")
    _check_options(parser, rest)
    code: int = module.run(parser.parse_args(rest))
    return code


def _check_options(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    # argparse would complain first of what is missing because of the misspelt one.
    known = [name for name in parser._option_string_actions if name.startswith("--")]
    for word in takewhile(lambda word: word != "--", rest):
        name = word.partition("=")[0]
        if name.startswith("--") and not any(option.startswith(name) for option in known):
            raise one_of(f"option of `{parser.prog}`:", name, known)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. Type `{self.prog} --help`.")


def _overview() -> str:
    lines = ["usage: edgecnn VERB ...", "", "Convolutional networks from PyTorch to the edge.", ""]
    # The docstrings are read, not imported: --help must not wait for anything.
    for verb in list_verbs():
        text = (Path(__file__).parent / f"{verb}.py").read_text("utf-8")
        lines.append(f"  {verb:<10} {(ast.get_docstring(ast.parse(text)) or '').splitlines()[0]}")
    return "\n".join([*lines, "", "`edgecnn VERB --help` says more; `edgecnn --version`."])


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"edgecnn: warning: {_one_line(str(message))}\n")


def _one_line(text: str) -> str:
    # File names and models may hold what a terminal would obey.
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def _give_up_stdout() -> None:
    """What stdout refused once it would refuse again while Python shuts down."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The command line: one verb per file in this folder; each parses, calls the library, shows."""

from __future__ import annotations

import argparse
import ast
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NoReturn

from edgecnn import __version__
from edgecnn.errors import EdgecnnError, UsageError, one_of

HIDDEN = ("show",)


def list_verbs() -> list[str]:
    """Names of the verbs: the files beside this one."""
    return sorted(m.name for m in iter_modules(__path__) if m.name not in HIDDEN)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code is 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    warnings.showwarning = _warn
    try:
        return _dispatch(argv)
    except UsageError as error:
        return _fail(error, 2)
    except EdgecnnError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        sys.stderr.write("edgecnn: interrupted.\n")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has enough; Python would complain again while shutting down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, MemoryError) as error:
        return _fail(error, 1)
    except Exception as error:
        if os.environ.get("EDGECNN_DEBUG"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return _fail(f"internal error, please report it. {text} (EDGECNN_DEBUG=1 shows where)", 1)


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
    code: int = module.run(parser.parse_args(rest))
    return code


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
    sys.stderr.write(f"edgecnn: warning: {' '.join(str(message).split())}\n")


def _fail(error: object, code: int) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    sys.stderr.write(f"edgecnn: {text}\n")
    return code

"""What the documents name exists: links, files, commands, flags, imports."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module

import pytest
from house import ROOT

from edgecnn.cli import list_verbs, main

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[\s/(])edgecnn +([a-z][\w-]*)([^\n`|#;]*)")
FOLDERS = ("edgecnn/", "export/", "runtime/", "tests/", "demos/", "benchmarks/", "docs/", ".ci/",
           "requirements/")  # fmt: skip


def named() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in DOCUMENTS]


def fences(text: str, *languages: str) -> Iterator[str]:
    for match in FENCE.finditer(text):
        if match[1] in languages:
            yield match[2]


def inline(text: str) -> list[str]:
    """What stands between single backticks, outside fences."""
    return CODE.findall(FENCE.sub("", text))


def read(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(verb, arguments) of each `edgecnn VERB ...` that a reader is to type."""
    typed = "\n".join([*fences(text, "console", "sh", "bash"), *inline(text)])
    for match in COMMAND.finditer(typed.replace("\\\n", " ")):
        yield match[1], match[2]


@pytest.mark.parametrize("document", named())
def test_links_lead_somewhere(document: str) -> None:
    for target in LINK.findall(read(document)):
        if re.match(r"https?:|mailto:|#", target):
            continue
        path = (ROOT / document).parent / target.partition("#")[0]
        assert path.exists(), f"{document} links to {target}"


@pytest.mark.parametrize("document", named())
def test_named_files_exist(document: str) -> None:
    for code in inline(read(document)):
        # runtime/backends/ENGINE.py stands for any engine's file.
        if code.startswith(FOLDERS) and not re.search(r"[A-Z*<{ …]", code):
            assert (ROOT / code).exists(), f"{document} names {code}"


@pytest.mark.parametrize("document", named())
def test_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    text = read(document)
    typed = "\n".join([*fences(text, "console", "sh", "bash"), *inline(text)])
    for target in re.findall(r"(?:^|\$ |=\S* )make +([a-z]+)", typed, re.MULTILINE):
        assert target in targets, f"{document} names make {target}"


@pytest.mark.parametrize("document", named())
def test_verbs_and_flags_exist(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, arguments in commands(read(document)):
        assert verb in list_verbs(), f"{document} names edgecnn {verb}"
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        known = capsys.readouterr().out
        for flag in re.findall(r"(?<=\s)--?[a-z][\w-]*", arguments):
            assert re.search(rf"{flag}\b", known), f"{document}: edgecnn {verb} has no {flag}"


@pytest.mark.parametrize("document", named())
def test_python_imports_what_exists(document: str) -> None:
    for code in fences(read(document), "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgecnn"):
                module = import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{document}: {node.module}.{alias.name}"


def test_make_lists_what_contributing_lists() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^make ([a-z]+)", done.stdout, re.MULTILINE))
    table = set(re.findall(r"^\| `make ([a-z]+)`", read("CONTRIBUTING.md"), re.MULTILINE))
    assert listed - {"help"} == table

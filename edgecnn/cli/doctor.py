"""Say what this machine can run, what is wrong with it, and what to type."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.doctor import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fault": "bold red", "absent": "dim"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code 0: the main job can run here; 1: there is a fault."


def run(args: argparse.Namespace) -> int:
    import sys
    from dataclasses import asdict

    from rich.console import Console

    from edgecnn import __version__
    from edgecnn.cli.show import document
    from edgecnn.doctor import examine, healthy

    with Console(stderr=True).status("examining this machine"):
        findings = examine()
    ok = healthy(findings)
    if args.json:
        listed = [asdict(finding) for finding in findings]
        document({"edgecnn": __version__, "ok": ok, "findings": listed})
    else:
        _show(findings, Console(width=None if sys.stdout.isatty() else 120))
    return 0 if ok else 1


def _show(findings: list[Finding], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    # Text, not markup: `pip install "edgecnn[cpu]"` would lose its brackets.
    table = Table(box=None, pad_edge=False)
    for heading in ("", "topic", "found"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        style = _STYLES[finding.status]
        table.add_row(Text(finding.status, style), Text(finding.topic), Text(finding.message))
    console.print(table)
    wrong = [f for f in findings if f.status in ("fault", "warn") and f.remedy]
    more = [f for f in findings if f.status == "absent" and f.remedy]
    for title, chosen in (("What to type", wrong), ("To have what is absent", more)):
        if chosen:
            console.print(f"\n[bold]{title}[/bold]")
        for finding in chosen:
            line = Text(f"  {finding.topic}: {finding.remedy}")
            console.print(line, soft_wrap=True)
    faults = sum(finding.status == "fault" for finding in findings)
    verdict = f"{faults} fault{'s' * (faults != 1)} to mend" if faults else "Networks run here."
    console.print(f"\n[bold]{verdict}[/bold]")

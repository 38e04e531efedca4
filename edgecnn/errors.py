"""What edgecnn raises when it cannot do what was asked; stdlib only, shared by all three parts."""

from __future__ import annotations


class EdgecnnError(Exception):
    """A failure the user can act on, in one line: what was got, what was expected, the remedy.

    The command line prints it and exits with code 1.
    """


class UsageError(EdgecnnError):
    """The request itself is wrong: an unknown name, an impossible value. Exit code 2."""


def one_of(kind: str, got: str, choices: list[str]) -> UsageError:
    """The error for an unknown name: says what was got, suggests the nearest, lists the choices."""
    import difflib

    near = difflib.get_close_matches(got, choices, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return UsageError(
        f"no {kind} {got!r}{hint} Choose from {', '.join(sorted(choices)) or 'none'}."
    )


def one_line(error: object, limit: int = 200) -> str:
    """What a library said, without its line breaks, cut after `limit` characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."

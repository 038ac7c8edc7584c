"""Asking for confirmation before something that cannot be undone."""

from __future__ import annotations

import sys

import typer

from seedance.problems import InvalidInput, Problem


def on_terminal() -> bool:
    """Whether a person sits in front of this command and can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, yes: bool) -> None:
    """Continue if `yes` is given or a person confirms.

    Raises:
        InvalidInput: standard input is no terminal.
        Abort: the person says no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput([Problem("--yes", f"is required without a terminal: {question}")])
    if not typer.confirm(question, err=True):
        raise typer.Abort

"""`reelq`: the commands, and the way out of each of them.

Modules of commands import what they need inside the functions: `reelq jobs list` must not wait for what only `up` uses.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from producer.cli.commands import add_commands
from producer.cli.options import DataDir


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"reelq {version('reelq')}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    data_dir: DataDir = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.ensure_object(dict)["data_dir"] = data_dir


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The program, with those of its commands that this command line can need."""
    app = typer.Typer(
        name="reelq",
        help="A durable job queue for Seedance video generation.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    add_commands(app, arguments[0] if arguments else None)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code: 0 all well, 1 some jobs failed, 2 bad input or configuration."""
    from producer.cli import failures

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a prompt in a C locale
    try:
        code = app_for(arguments)(list(arguments), prog_name="reelq", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as exc:
        return _usage_error(exc)
    except typer.Abort:
        sys.stderr.write("stopped\n")
        return failures.INTERRUPTED
    except KeyboardInterrupt:
        return failures.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failures.SOME_FAILED
    except Exception as exc:  # noqa: BLE001 - the end of the program: every exception becomes a line here
        message, code = failures.explain(exc, _data_dir(arguments))
        sys.stderr.write(f"{message}\n")
        return code
    return code if isinstance(code, int) else 0


def _usage_error(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "reelq"
    if message := error.format_message():  # without one, the help has just been printed
        sys.stderr.write(f"{message.replace('Value error, ', '')} (see `{command} --help`)\n")
    return error.exit_code


def _data_dir(arguments: Sequence[str]) -> Path | None:
    """The data directory of a command line that failed, for the hint and the trace."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--data-dir" and (value or index + 1 < len(arguments)):
            return Path(value or arguments[index + 1])
    return None


def main() -> None:
    """The entry point `reelq`."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

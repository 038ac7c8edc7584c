"""`reelq`: the entry point, and the way out of every command."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from producer.cli.commands import AllCommands, command_in
from producer.cli.shared import exit_codes
from producer.cli.shared.collector import collect_seldom
from producer.cli.shared.data_dir import DataDir

app = typer.Typer(
    name="reelq",
    help="A durable job queue for Seedance video generation.",
    cls=AllCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # it takes a sixth of the time of `reelq --help`, which needs none

        typer.echo(f"reelq {version('reelq')}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    data_dir: DataDir = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.ensure_object(dict)["data_dir"] = data_dir


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code: 0 all well, 1 some jobs failed, 2 bad input or configuration."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a prompt in a C locale
    try:
        code = app(list(arguments), prog_name="reelq", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as exc:
        return _usage_error(exc, arguments)
    except typer.Abort:
        sys.stderr.write("stopped\n")
        return exit_codes.INTERRUPTED
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.SOME_FAILED
    except Exception as exc:  # noqa: BLE001 - the end of the program: every exception becomes a line here
        # Imported here: it knows every exception; `reelq --version`, which needs none, would take twice as long.
        from producer.cli.shared.failures import explain

        message, code = explain(exc, _data_dir(arguments))
        sys.stderr.write(f"{message}\n")
        return code
    return code if isinstance(code, int) else 0


def _usage_error(error: typer.TyperException, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else f"reelq {command_in(arguments)}".rstrip()
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
    collect_seldom()
    code = run(sys.argv[1:])
    gc.freeze()  # a look for circles takes a sixth of a short command at its end, when all memory is given back anyway
    sys.exit(code)


if __name__ == "__main__":
    main()

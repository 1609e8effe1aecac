"""The command line: one command a file, imported when it is called, so that ``--help`` stays quick.

A McuNasError ends in one line on stderr and its own exit code; a traceback is printed with --debug only.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

import click

from mcu_nas.errors import Interrupted, JobError, McuNasError, UsageError, did_you_mean

# Command -> what it does, in the order of use. The module mcu_nas.cli.<command> holds it as ``command``.
COMMANDS = {
    "boards": "Boards, their memory, and what a model may use of it.",
    "data": "Look at data before anything is trained on them: classes, sizes, what is wrong.",
    "space": "Choose resolution and width of the search space (TinyNAS stage one).",
    "search": "Search a network for a board and a data set, and take it to firmware.",
    "show": "Show how a run stands, at any time, also while it is going on.",
    "quantize": "Turn a float model from elsewhere (PyTorch, Keras, .tflite) into an int8 .tflite.",
    "export": "Write a run's winner as .tflite, C sources, and a byte array.",
    "card": "Write a run's winner with a card: how it was made, accuracy, memory, instructions.",
    "audit": "Memory, MACs and flash per layer, and whether a board can hold the model.",
    "compile": "Generate C for an int8 .tflite model.",
    "flash": "Build a model's firmware and write it to a board.",
    "run": "Run one inference on a device or emulator, layer by layer.",
    "measure": "Measure latency and accuracy of a run's winner on a device.",
}


class _Commands(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"mcu_nas.cli.{cmd_name}").command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print an empty line
            raise Interrupted("interrupted") from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS).strip()
            ctx.fail(f"unknown command '{args[0]}'" + (f": {hint}" if hint else "."))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(version("mcu-nas"), prog_name="mcu-nas")
@click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
def cli() -> None:
    """Search neural networks that fit a microcontroller, and take them to measured latency on the board."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 the job failed, 2 command, file or installation must change."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name, or '×', that it cannot encode
    try:
        exit_code = cli.main(arguments, prog_name="mcu-nas", standalone_mode=False)
        sys.stdout.flush()  # so that a full disk is an error, too
        sys.exit(exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _fail(_with_help(error), error.exit_code)
    except McuNasError as error:
        if "--debug" in arguments:
            raise
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # Who reads our output, `head` say, has seen enough: what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(JobError.exit_code)
    except OSError as error:
        if "--debug" in arguments:
            raise
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", UsageError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", Interrupted.exit_code)


def _with_help(error: click.ClickException) -> str:
    """click's message on one line, with the command whose --help explains it."""
    message = error.format_message()
    message += "" if message.endswith((".", "?")) else "."
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} See `{context.command_path} --help`." if context else message


def _fail(message: str, exit_code: int) -> None:
    # One line, whatever a path or a tool's complaint holds.
    line = " ".join(message.split())
    print(f"error: {''.join(c if c.isprintable() else '?' for c in line)}", file=sys.stderr)
    sys.exit(exit_code)

"""Option types and options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.target import Loads, WeightStorage
from mcu_nas.errors import UsageError
from mcu_nas.units import parse_bytes, parse_duration_ms


class FilePath(click.Path):
    """A path; an empty one is a mistake (an unset variable), not the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; whether anything is there is the command's business."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class Bytes(click.ParamType):
    """A size: ``320KiB``, ``64kB`` (decimal), plain bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The size in bytes."""
        return _converted(self, parse_bytes, value, param, ctx)


class Milliseconds(click.ParamType):
    """A time: ``40ms``, ``0.04s``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The time in milliseconds."""
        return _converted(self, parse_duration_ms, value, param, ctx)


def _converted(
    kind: click.ParamType,
    parse: Callable[[str], Any],
    value: Any,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except UsageError as error:
        kind.fail(str(error), param, ctx)


_LARGEST = 10_000  # of a width multiplier or a resolution: nothing larger was ever meant


class Numbers(click.ParamType):
    """Numbers separated by commas: ``20,28``, ``0.3,0.5``."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | float, ...]:
        """The numbers in the order given."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            numbers = tuple(self._kind(part) for part in value.split(","))
        except ValueError:
            kind = "whole numbers" if self._kind is int else "numbers"
            self.fail(f"'{value}' is not a list of {kind} separated by commas", param, ctx)
        if not all(0 < number <= _LARGEST for number in numbers):
            self.fail(f"'{value}': each must be more than 0 and at most {_LARGEST:,}", param, ctx)
        return numbers


class Workers(click.ParamType):
    """A number of processes, or the address of a Ray cluster: ``4``, ``ray://head:10001``."""

    name = "workers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or the address as it is."""
        if isinstance(value, int) or re.match(r"ray://[^/\s:]", value):
            return value
        if not value.isdecimal() or not 0 < int(value) <= _LARGEST:
            self.fail(f"'{value}' is neither a number of processes nor a ray:// address", param, ctx)
        return int(value)


class Names(click.ParamType):
    """Names separated by commas: ``stm32f746g-disco,qemu-cortex-m4``."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names in the order given."""
        if not isinstance(value, str):
            return tuple(value)
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            self.fail(f"'{value}' is not a list of names separated by commas", param, ctx)
        return names


class Share(click.FloatRange):
    """A number from 0 to 1; not-a-number is none."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"'{value}' is not a number from 0 to 1", param, ctx)
        return number


PATH = FilePath()
NAMES = Names()
SHARE = Share()
WORKERS = Workers()
BYTES = Bytes()
MILLISECONDS = Milliseconds()

board_option = click.option("--board", required=True, metavar="B", help="Board, see `mcu-nas boards`.")
# Eager: options that print and end, such as `compile --ops`, must know it wherever it stands.
json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, help="Print JSON instead of text."
)
DATA_HELP = (
    "Data: fashion-mnist, a folder of images by class (PNG, JPEG, BMP), a folder with MNIST's four IDX files,"
    " or an .npz file; see `mcu-nas data`."
)
data_option = click.option("--data", required=True, metavar="D", help=DATA_HELP)
_IMAGES = (
    click.option(
        "--channels",
        type=click.Choice(["grey", "rgb"]),
        help="Take images as grey or in colour; by default as they are stored.",
    ),
    click.option(
        "--image-px",
        type=click.IntRange(1, _LARGEST),
        metavar="PX",
        help="Size to bring image files to; by default the largest, up to 224, that 95 % of them fill.",
    ),
)
_MIRROR = click.option(
    "--mirror/--no-mirror",
    default=None,
    help="Whether an image mirrored left to right stays in its class; by default in colour, not in grey.",
)
optimize_option = click.option(
    "--optimize",
    type=click.Choice([optimize.value for optimize in Optimize]),
    callback=lambda context, option, value: value and Optimize(value),
    help="The smallest arena, the fastest kernels, or the fastest that the board has room for, the default.",
)
weights_option = click.option(
    "--weight-storage",
    "weights",
    type=click.Choice([storage.value for storage in WeightStorage]),
    callback=lambda context, option, value: value and WeightStorage(value),
    help="Weights as kernels read them fastest, or in one byte each; by default the first that fits flash.",
)
loads_option = click.option(
    "--loads",
    type=click.Choice([loads.value for loads in Loads]),
    default=Loads.LDM.value,
    callback=lambda context, option, value: Loads(value),
    show_default=True,
    help="How kernels in assembly load several words: the fewest instructions, or among multiplications.",
)


def kernel_options(optimize: Optimize | None, weights: WeightStorage | None, loads: Loads = Loads.LDM) -> str:
    """The options about kernels that were given, for the next command."""
    given = {
        "--optimize": optimize,
        "--weight-storage": weights,
        "--loads": None if loads is Loads.LDM else loads,
    }
    return "".join(f" {name} {value}" for name, value in given.items() if value)


seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same result.",
)

_LIMITS = (
    click.option("--sram", type=BYTES, metavar="SIZE", help="Limit below what the board has, e.g. 64KiB."),
    click.option("--flash", type=BYTES, metavar="SIZE", help="Limit below what the board has, e.g. 256KiB."),
    click.option(
        "--weights",
        type=BYTES,
        metavar="SIZE",
        help="Limit of the weights' bytes without biases, e.g. 64KiB.",
    ),
    click.option(
        "--latency", type=MILLISECONDS, metavar="TIME", help="Limit of the estimated latency, e.g. 40ms."
    ),
)
_SPACE = (
    click.option(
        "--resolutions", type=Numbers(int), default=(), metavar="PX,...", help="Image sizes to consider."
    ),
    click.option(
        "--widths", type=Numbers(float), default=(), metavar="W,...", help="Width multipliers to consider."
    ),
)


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--sram, --flash and --weights in bytes, --latency in milliseconds; None where not given."""
    return _decorated(command, _LIMITS)


def space_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--resolutions and --widths as tuples, empty where not given."""
    return _decorated(command, _SPACE)


def image_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--channels and --image-px, None where not given: the fields of DataOptions for who trains nothing."""
    return _decorated(command, _IMAGES)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--channels, --image-px and --mirror, None where not given: the fields of DataOptions."""
    return _decorated(command, (*_IMAGES, _MIRROR))


def typed_data_options(channels: str | None, image_px: int | None, mirror: bool | None) -> str:
    """Those options as they would be typed again, a blank before each."""
    given = (
        f" --channels {channels}" if channels is not None else "",
        f" --image-px {image_px}" if image_px is not None else "",
        {True: " --mirror", False: " --no-mirror", None: ""}[mirror],
    )
    return "".join(given)


def _decorated(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):  # click lists the option of the outermost decorator first
        command = option(command)
    return command

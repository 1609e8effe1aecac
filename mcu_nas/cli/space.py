"""``mcu-nas space``: stage one by itself, and the size of a search space."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict

import click

from mcu_nas.boards import load_board
from mcu_nas.cli.options import (
    SHARE,
    board_option,
    data_option,
    data_options,
    json_option,
    limit_options,
    seed_option,
    space_options,
    typed_data_options,
)
from mcu_nas.cli.progress import Bars
from mcu_nas.cli.reading import print_warnings, reading
from mcu_nas.cli.table import text_table
from mcu_nas.cost.constraints import Constraints, constraints_for
from mcu_nas.datasets import DataOptions, load_dataset
from mcu_nas.datasets.channels import Channels
from mcu_nas.datasets.search_space import space_for
from mcu_nas.spaces.mbconv import WIDTHS
from mcu_nas.spaces.space import Space
from mcu_nas.spaces.stage_one import MIN_SHARE, SAMPLES, SpaceStatistics, StageOne, optimize_space
from mcu_nas.units import format_bytes


@click.command(
    epilog="""\b
Examples:
  mcu-nas space --board stm32f746g-disco --data fashion-mnist --latency 10ms
  mcu-nas space --board stm32f746g-disco --data fashion-mnist --sram 64KiB --resolutions 20,28
  mcu-nas space --board stm32f746g-disco --data fashion-mnist --count"""
)
@board_option
@data_option
@data_options
@limit_options
@space_options
@click.option(
    "--samples",
    type=click.IntRange(1, 1_000_000),
    default=SAMPLES,
    show_default=True,
    help="Networks per space.",
)
@click.option(
    "--min-share",
    type=SHARE,
    default=MIN_SHARE,
    show_default=True,
    help="Share of the samples that must fit for a space to compete.",
)
@click.option("--count", is_flag=True, help="Print how many architectures there are, and stop.")
@seed_option
@json_option
def command(
    board: str,
    data: str,
    channels: Channels | None,
    image_px: int | None,
    mirror: bool | None,
    sram: int | None,
    flash: int | None,
    weights: int | None,
    latency: float | None,
    resolutions: tuple[int, ...],
    widths: tuple[float, ...],
    samples: int,
    min_share: float,
    count: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Choose resolution and width for a board and a data set (TinyNAS stage one).

    Networks are sampled in each space (one resolution, one width multiplier). The space whose networks
    within the limits have the most MACs wins, among those in which enough of them are within.
    """
    constraints = constraints_for(load_board(board), sram, flash, latency, weights)
    with Bars() as bars:
        dataset = load_dataset(data, DataOptions(channels, image_px, mirror), reading(bars))
    space = space_for(dataset, resolutions, widths or WIDTHS)
    if count:
        _print_count(space, as_json)
        return
    found = optimize_space(space, constraints, seed, samples, min_share)
    print_warnings(dataset.findings)
    following = (
        f"mcu-nas search --board {board} --data {shlex.quote(data)}"
        f"{typed_data_options(channels, image_px, mirror)}"
        f"{_limit_arguments(sram, flash, weights, latency)}{_space_arguments(resolutions, widths)}"
    )
    if as_json:
        print(json.dumps({**_record(found, constraints), "next": following}, indent=2))
        return
    print(_limits(constraints))
    print(f"\nShare of {samples:,} sampled networks that fit, and mean MACs (millions) of those that do:\n")
    print(statistics_grid(found.statistics))
    _print_obstacles(found.statistics)
    chosen = found.chosen
    print(f"\nchosen: width {chosen.width:g} at {chosen.resolution} px: {found.reason}")
    print(f"        {found.space.count():,} architectures remain")
    print(f"next: {following}")


def _print_count(space: Space, as_json: bool) -> None:
    total = space.count()
    resolutions, widths = space.options["resolution"], space.options["width"]
    if as_json:
        record = {"count": total, "resolutions": list(resolutions), "widths": list(widths)}
        print(json.dumps(record, indent=2))
        return
    each = total // (len(resolutions) * len(widths))
    print(f"{total:,} architectures: {len(resolutions)} resolutions × {len(widths)} widths × {each:,}")


def _limits(constraints: Constraints) -> str:
    text = (
        f"limits: SRAM {format_bytes(constraints.sram_bytes)}, flash {format_bytes(constraints.flash_bytes)}"
    )
    if constraints.weights_bytes is not None:
        text += f", weights {format_bytes(constraints.weights_bytes)}"
    if constraints.latency_ms is None or constraints.instruction_limit is None:
        return f"{text}, no latency limit"
    million = constraints.instruction_limit / 1e6
    return f"{text}, {constraints.latency_ms:g} ms (estimated: {million:.2f} M instructions)"


def statistics_grid(statistics: Sequence[SpaceStatistics]) -> str:
    """Widths down, resolutions across; ``-`` where nothing fits."""
    cells = {
        (row.width, row.resolution): f"{row.share:.1%} {row.mean_macs / 1e6:8.2f}" if row.fitting else "-"
        for row in statistics
    }
    widths = sorted({row.width for row in statistics})
    resolutions = sorted({row.resolution for row in statistics})
    header = ["width", *(f"{resolution} px" for resolution in resolutions)]
    rows = [[f"{width:g}", *(cells[width, resolution] for resolution in resolutions)] for width in widths]
    return text_table(header, rows, right=range(1, len(header)))


def _print_obstacles(statistics: tuple[SpaceStatistics, ...]) -> None:
    """Per width, why nothing fits at the smallest resolution at which nothing does."""
    shown: set[float] = set()
    for row in sorted(statistics, key=lambda row: (row.width, row.resolution)):
        if row.obstacle and row.width not in shown:
            shown.add(row.width)
            print(f"{'' if len(shown) > 1 else chr(10)}nothing fits: {row.obstacle}")


def _limit_arguments(sram: int | None, flash: int | None, weights: int | None, latency: float | None) -> str:
    """The limits as they would be typed again."""
    given = (
        f" --sram {sram}" if sram is not None else "",
        f" --flash {flash}" if flash is not None else "",
        f" --weights {weights}" if weights is not None else "",
        f" --latency {latency:g}ms" if latency is not None else "",
    )
    return "".join(given)


def _space_arguments(resolutions: tuple[int, ...], widths: tuple[float, ...]) -> str:
    """The candidates as they would be typed again."""
    given = (("--resolutions", resolutions), ("--widths", widths))
    return "".join(f" {option} {','.join(f'{n:g}' for n in numbers)}" for option, numbers in given if numbers)


def _record(found: StageOne, constraints: Constraints) -> dict[str, object]:
    return {
        "limits": {
            "sram_bytes": constraints.sram_bytes,
            "flash_bytes": constraints.flash_bytes,
            "weights_bytes": constraints.weights_bytes,
            "latency_ms": constraints.latency_ms,
            "instructions": constraints.instruction_limit,
        },
        "spaces": [{**asdict(row), "share": row.share} for row in found.statistics],
        "chosen": {
            "resolution": found.chosen.resolution,
            "width": found.chosen.width,
            "reason": found.reason,
            "count": found.space.count(),
            "options": {name: list(options) for name, options in found.space.options.items()},
        },
    }

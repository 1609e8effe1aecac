"""``mcu-nas data``: a look at data before anything is trained on them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import click

from mcu_nas.cli.options import data_options, json_option, typed_data_options
from mcu_nas.cli.progress import Bars
from mcu_nas.cli.reading import reading
from mcu_nas.cli.table import text_table
from mcu_nas.datasets.catalogue import DataOptions, inspect_dataset
from mcu_nas.datasets.channels import Channels
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.findings import errors
from mcu_nas.errors import DataError

_NEXT_BOARD = "stm32f746g-disco"
_ROWS = 20  # classes shown


@click.command(
    epilog="""\b
Examples:
  mcu-nas data ./flowers
  mcu-nas data ./digits.npz --channels grey --json"""
)
@click.argument("data", metavar="DATA")
@data_options
@json_option
def command(
    data: str, channels: Channels | None, image_px: int | None, mirror: bool | None, as_json: bool
) -> None:
    """Look at data before anything is trained on them: classes, counts, sizes, and what is wrong.

    DATA is what --data takes elsewhere: a folder with train/<class>/* and perhaps test/<class>/*, or with
    class folders alone, of PNG, JPEG or BMP files; a folder with MNIST's four IDX files; an .npz file; or
    fashion-mnist.
    """
    with Bars() as bars:
        found = inspect_dataset(data, DataOptions(channels, image_px, mirror), reading(bars))
    following = (
        f"mcu-nas search --board {_NEXT_BOARD} --data {shlex.quote(data)}"
        f"{typed_data_options(channels, image_px, mirror)}"
    )
    wrong = errors(found.findings)
    if as_json:
        record = found.dataset.to_record() if found.dataset else {"name": data}
        findings = [finding.to_record() for finding in found.findings]
        print(json.dumps({**record, "findings": findings, "next": None if wrong else following}, indent=2))
    else:
        if found.dataset:
            print("\n".join(_summary(found.dataset)))
        for finding in found.findings:
            print(f"{finding.level}: {finding}")
    if wrong:
        raise DataError(f"{data}: has errors ({len(wrong)}): nothing can be trained on these data")
    if not as_json:
        print(f"next: {following}")


def _summary(dataset: Dataset) -> Iterator[str]:
    record = dataset.to_record()
    classes = sorted(record["classes"], key=lambda row: -row["train"])
    yield (
        f"{dataset.name}: {len(classes):,} classes, {record['train_images']:,} images to train on,"
        f" {record['test_images']:,} to test"
    )
    height, width, _ = dataset.image_shape
    mirrored = "keep their class" if dataset.mirrorable else "may change their class"
    yield f"{height}x{width} px, {dataset.channel_order}, {dataset.preparation}; mirrored images {mirrored}"
    yield ""
    yield text_table(
        ["class", "train", "test"],
        [[row["label"], f"{row['train']:,}", f"{row['test']:,}"] for row in classes[:_ROWS]],
        right=(1, 2),
    )
    if len(classes) > _ROWS:
        yield f"and {len(classes) - _ROWS:,} classes with at most {classes[_ROWS]['train']:,} to train on"
    yield ""

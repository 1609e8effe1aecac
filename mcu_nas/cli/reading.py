"""While a user's data are read, and after: progress and warnings on stderr."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mcu_nas.cli.progress import Bars
from mcu_nas.datasets.findings import Finding
from mcu_nas.datasets.progress import Progress


def reading(bars: Bars) -> Progress:
    """Shows how many images were read, from the first one on: data that are there at once show nothing."""
    begun = False

    def progress(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            bars.stage("reading")
            begun = True
        bars.progress(done, total, "images")

    return progress


def print_warnings(findings: Sequence[Finding]) -> None:
    """Prints the warnings among findings; notes are for those who ask (`mcu-nas data`)."""
    for finding in findings:
        if finding.level == "warning":
            click.echo(f"warning: {finding}", err=True)

"""Warnings about the user's data on stderr, a line each."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mcu_nas.datasets.findings import Finding


def print_warnings(findings: Sequence[Finding]) -> None:
    """Prints the warnings among findings; notes are for those who ask (`mcu-nas data`)."""
    for finding in findings:
        if finding.level == "warning":
            click.echo(f"warning: {finding}", err=True)

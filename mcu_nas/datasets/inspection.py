"""A data set together with all that was found about it; a command that needs the data goes through
``usable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcu_nas.datasets.checks import check
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.findings import Finding, errors
from mcu_nas.errors import DataError


@dataclass(frozen=True)
class Inspection:
    """``dataset`` is None where there are errors so bad that there is none to show."""

    dataset: Dataset | None
    findings: tuple[Finding, ...]

    def usable(self, where: str) -> Dataset:
        """The data set, without errors; ``where`` is what the user called it.

        Raises:
            DataError: errors were found.
        """
        found = errors(self.findings)
        if self.dataset is None or found:
            raise DataError(f"{where}: {'; '.join(map(str, found))} (`mcu-nas data` lists all)")
        return self.dataset


def inspect(dataset: Dataset, train_names: Sequence[str], test_names: Sequence[str]) -> Inspection:
    """The checks of a data set whose images have these names, after what its loader found."""
    findings = (*dataset.findings, *check(dataset, train_names, test_names))
    return Inspection(replace(dataset, findings=findings), findings)

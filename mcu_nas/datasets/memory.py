"""Arrays that are too large for this computer are refused before they are read: a file of a few kilobytes
may be compressed from terabytes.
"""

from __future__ import annotations

import os

from mcu_nas.errors import DataError


def require_memory(needed: int, where: str) -> None:
    """That ``needed`` bytes fit into this computer's memory; ``where`` is the file that holds them.

    Raises:
        DataError: they do not.
    """
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > installed:
        raise DataError(
            f"{where}: holds {needed / 2**30:,.1f} GiB, the memory of this computer is"
            f" {installed / 2**30:,.1f} GiB: save fewer or smaller images"
        )

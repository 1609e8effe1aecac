"""IDX files, plain or gzipped (the format of MNIST and its successors).

Two zero bytes, a type byte (0x08 = uint8, the only one here), the number of axes, one big-endian uint32
an axis, then the values. http://yann.lecun.com/exdb/mnist/, "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from mcu_nas.datasets.memory import require_memory
from mcu_nas.errors import DataError

_UINT8 = 0x08


def read_idx(path: Path, axes: int) -> np.ndarray:
    """The uint8 array of an IDX file with ``axes`` axes, decompressed where it is gzip.

    Raises:
        DataError: the file cannot be read, is not IDX of this kind, or is shorter or longer than its
            header says.
    """
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            content = gzip.GzipFile(fileobj=file) if gzipped else file
            return parse_idx(cast(BinaryIO, content), axes, str(path))
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path}: cannot be read ({reason}): put an intact copy in its place") from error


def parse_idx(file: BinaryIO, axes: int, where: str) -> np.ndarray:
    """The uint8 array that an IDX file holds, read no further than its header says; ``where`` names it in
    errors.

    Raises:
        DataError: as ``read_idx``.
    """
    header_bytes = 4 + 4 * axes
    header = file.read(header_bytes)
    if len(header) < header_bytes:
        raise DataError(f"{where}: {len(header)} bytes are less than an IDX header: the file is cut short")
    zeros, kind, found_axes = struct.unpack_from(">HBB", header)
    if zeros != 0 or kind != _UINT8 or found_axes != axes:
        raise DataError(
            f"{where}: starts with 0x{header[:4].hex()}, expected 0x0000{_UINT8:02x}{axes:02x} "
            f"(IDX, uint8, {axes} axes): not the file that its name says"
        )
    shape = struct.unpack_from(f">{axes}I", header, 4)
    values = math.prod(shape)
    require_memory(values, where)
    data = file.read(values + 1)
    if len(data) != values:
        sizes = "×".join(map(str, shape))
        found = "more" if len(data) > values else f"{len(data):,}"
        raise DataError(f"{where}: the header says {sizes} values, the file holds {found}: broken file")
    return np.frombuffer(data, np.uint8).reshape(shape)

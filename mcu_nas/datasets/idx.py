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

import numpy as np

from mcu_nas.errors import DataError

_UINT8 = 0x08


def read_idx(path: Path, axes: int) -> np.ndarray:
    """The uint8 array of an IDX file with ``axes`` axes.

    Raises:
        DataError: the file cannot be read, is not IDX of this kind, or is shorter or longer than its
            header says.
    """
    return parse_idx(read_maybe_gzipped(path), axes, str(path))


def read_maybe_gzipped(path: Path) -> bytes:
    """The bytes of a file, decompressed where it is gzip.

    Raises:
        DataError: the file cannot be read or its compression is broken.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path}: cannot be read ({reason}): put an intact copy in its place") from error


def parse_idx(data: bytes, axes: int, where: str) -> np.ndarray:
    """The uint8 array that ``data`` holds; ``where`` names it in errors."""
    header_bytes = 4 + 4 * axes
    if len(data) < header_bytes:
        raise DataError(f"{where}: {len(data)} bytes are less than an IDX header: the file is cut short")
    zeros, kind, found_axes = struct.unpack_from(">HBB", data)
    if zeros != 0 or kind != _UINT8 or found_axes != axes:
        raise DataError(
            f"{where}: starts with 0x{data[:4].hex()}, expected 0x0000{_UINT8:02x}{axes:02x} "
            f"(IDX, uint8, {axes} axes): not the file that its name says"
        )
    shape = struct.unpack_from(f">{axes}I", data, 4)
    values = len(data) - header_bytes
    if values != math.prod(shape):
        sizes = "×".join(map(str, shape))
        raise DataError(f"{where}: the header says {sizes} values, the file holds {values:,}: broken file")
    return np.frombuffer(data, np.uint8, offset=header_bytes).reshape(shape)

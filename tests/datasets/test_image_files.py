"""One file as pixels: every kind that PNG, JPEG and BMP allow, or why it cannot be used."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mcu_nas.datasets.channels import to_channels
from mcu_nas.datasets.image_files import UnreadableImageError, decode, read_header
from mcu_nas.errors import DataError
from tests.datasets.image_folders import noise

RED = (200, 10, 10)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG"])
def test_lossless_files_give_their_pixels(tmp_path: Path, suffix: str) -> None:
    image = noise(3, 7, 9)
    path = saved(image, tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(decode(path, grey=False), np.asarray(image))
    assert read_header(path).shorter_px == 7
    assert read_header(path).colour


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_files_have_no_colours(tmp_path: Path, mode: str) -> None:
    path = saved(noise(3, 7, 9, colour=False).convert(mode), tmp_path / "x.png")
    assert not read_header(path).colour
    pixels = decode(path, grey=True)
    assert pixels.shape == (7, 9, 1)
    np.testing.assert_array_equal(decode(path, grey=False), np.repeat(pixels, 3, axis=2))


def test_of_sixteen_bits_the_upper_eight_stay(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256], [4096, 65280, 65535]], np.uint16)
    path = saved(Image.fromarray(values), tmp_path / "x.png")
    assert not read_header(path).colour
    assert decode(path, grey=True)[..., 0].tolist() == [[0, 0, 1], [16, 255, 255]]


def test_sixteen_bit_colours_keep_their_upper_eight_bits(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", 511, 512, 65535, 0, 40000, 255) for _ in range(2))
    path = tmp_path / "x.png"
    path.write_bytes(png(2, 2, 16, 2, rows))
    assert decode(path, grey=False)[0].tolist() == [[1, 2, 255], [0, 156, 0]]


def png(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), RED).convert("P", palette=Image.Palette.ADAPTIVE)
    path = saved(image, tmp_path / "x.png")
    assert decode(path, grey=False)[0, 0].tolist() == list(RED)
    assert read_header(path).colour


def test_a_palette_of_greys_has_no_colours(tmp_path: Path) -> None:
    image = noise(1, colour=False).convert("P")
    path = saved(image, tmp_path / "x.png")
    assert not read_header(path).colour
    np.testing.assert_array_equal(decode(path, grey=True)[..., 0], np.asarray(noise(1, colour=False)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_black(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (100, 100, 100, 255))
    image.putpixel((0, 0), (255, 255, 255, 0))
    path = saved(image.convert(mode), tmp_path / "x.png")
    pixels = decode(path, grey=True)[..., 0]
    assert pixels[0, 0] == 0
    assert abs(int(pixels[2, 2]) - 100) <= 1


def test_a_cameras_orientation_is_obeyed(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8), RED)
    image.paste((0, 0, 0), (0, 0, 8, 8))  # the left half black
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = saved(image, tmp_path / "x.jpg", exif=exif, quality=95)
    pixels = decode(path, grey=False)
    assert pixels.shape == (16, 8, 3)
    assert pixels[:6].max() < 40
    assert pixels[10:, :, 0].min() > 150


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "x.jpg", quality=95)
    red, green, blue = decode(path, grey=False)[4, 4]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello", "not PNG, JPEG or BMP inside"),
        (b"GIF89a" + bytes(100), "not PNG, JPEG or BMP inside"),
        (b"\x89PNG\r\n\x1a\n", "not PNG, JPEG or BMP inside"),
    ],
)
def test_what_is_no_image_says_so(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=reason):
        read_header(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(noise(0, 64, 64), tmp_path / f"x{suffix}")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UnreadableImageError, match="image file is truncated"):
        decode(path, grey=False)


def test_a_moving_picture_is_refused(tmp_path: Path) -> None:
    path = saved(noise(0), tmp_path / "x.png", save_all=True, append_images=[noise(1)])
    with pytest.raises(UnreadableImageError, match="animated"):
        read_header(path)


def test_a_picture_of_a_billion_pixels_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(40_000, 40_000, 8, 0, b""))
    with pytest.raises(UnreadableImageError, match="too large"):
        read_header(path)


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["PNG", "JPEG", "BMP"]))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_an_image_or_one_reason(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str
) -> None:
    buffer = io.BytesIO()
    noise(0, 24, 24).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    rng = np.random.default_rng(seed)
    for place in rng.integers(2, min(len(data), 200), rng.integers(1, 9)):
        data[place] = rng.integers(256)
    path = tmp_path_factory.mktemp("damaged", numbered=True) / "x.png"
    path.write_bytes(data)
    with contextlib.suppress(UnreadableImageError):
        read_header(path)
        assert decode(path, grey=False).ndim == 3


@given(seed=st.integers(0, 99))
def test_grey_of_arrays_is_grey_of_files(seed: int) -> None:
    image = noise(seed, 20, 20)
    expected = np.asarray(image.convert("L"))[None, ..., None]
    np.testing.assert_array_equal(to_channels(np.asarray(image)[None], "grey", "x"), expected)


def test_grey_in_colour_has_three_equal_channels() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    found = to_channels(grey, "rgb", "x")
    assert found.shape == (1, 3, 4, 3)
    np.testing.assert_array_equal(to_channels(found, "grey", "x"), grey)


def test_two_channels_are_neither_grey_nor_colour() -> None:
    with pytest.raises(DataError, match="x: --channels grey needs images of 1 or 3 channels, these have 2"):
        to_channels(np.zeros((1, 3, 3, 2), np.uint8), "grey", "x")


@pytest.mark.parametrize("read", [read_header, lambda path: decode(path, grey=False)])
def test_a_pipe_is_no_image_and_nobody_waits_for_it(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(UnreadableImageError, match="no regular file"):
        read(tmp_path / "x.png")

"""A folder as one array: the size chosen, what becomes of other sizes, broken files, and the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mcu_nas.datasets import DataOptions, folder_pixels, load_dataset, pixel_cache, resize
from mcu_nas.datasets.folder_pixels import working_px
from mcu_nas.datasets.images import square
from mcu_nas.errors import DataError
from tests.datasets.image_folders import noise, texts, write_class, write_folder
from tests.datasets.test_images_and_splits import naive_resize

CIFAR = Path(__file__).parents[3] / "shared" / "data" / "cifar10.tar"


@given(height=st.integers(1, 14), width=st.integers(1, 14), px=st.integers(1, 20), seed=st.integers(0, 99))
def test_any_image_becomes_the_area_average_of_its_centre_square(
    height: int, width: int, px: int, seed: int
) -> None:
    image = np.asarray(noise(seed, height, width))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    centre = image[top : top + side, left : left + side]
    np.testing.assert_array_equal(square(image, px), naive_resize(centre, px))


def test_a_photo_is_averaged_as_an_array_would_be() -> None:
    image = np.asarray(noise(0, 501, 501))
    np.testing.assert_array_equal(square(image, 224), resize(image[None], 224)[0])


def test_a_white_photo_of_many_pixels_stays_white() -> None:
    assert np.all(square(np.full((9000, 9001, 1), 255, np.uint8), 3) == 255)


@pytest.mark.parametrize(
    ("sides", "channels", "expected"),
    [
        ([32] * 100, 3, 32),
        ([300] * 100, 3, 224),
        ([100] * 95 + [20] * 5, 3, 100),
        ([100] * 94 + [20] * 6, 3, 20),
        ([20] * 5 + [1000] * 95, 1, 224),
        ([300] * 60_000, 3, 109),
        ([1], 3, 1),
    ],
    ids=["all alike", "photos", "5 % small", "6 % small", "large", "60,000 photos", "a single pixel"],
)
def test_images_are_brought_to_what_95_percent_fill(sides: list[int], channels: int, expected: int) -> None:
    assert working_px(np.array(sides), channels) == expected
    assert len(sides) * expected**2 * channels <= folder_pixels.LARGEST_BYTES


def test_images_of_any_size_are_brought_to_one(tmp_path: Path) -> None:
    write_class(tmp_path / "a", 10, height=30, width=20)
    write_class(tmp_path / "b", 10, seed=1, height=16, width=40)
    data = load_dataset(str(tmp_path))
    assert data.train_images.shape == (16, 16, 16, 3)
    assert "images of 16 to 20 px (shorter side) are brought to 16 px" in texts(tmp_path, "note")


def test_images_smaller_than_asked_are_enlarged_and_counted(tmp_path: Path) -> None:
    write_class(tmp_path / "a", 20, height=24, width=24)
    write_class(tmp_path / "b", 19, seed=1, height=24, width=24)
    noise(7, 12, 12).save(tmp_path / "b" / "small.png")
    assert texts(tmp_path, "warning", image_px=24) == [
        "images smaller than 24 px, 2.5%, are enlarged (1): b/small.png",
        "classes with fewer than 20 images to train on (2): a, b",
    ]
    with pytest.raises(DataError, match=r"images smaller than 32 px, 100\.0%, are enlarged \(40\): a/0\.png"):
        load_dataset(str(tmp_path), DataOptions(image_px=32))


def test_a_size_that_few_images_fill_is_refused_before_any_is_enlarged(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 20, "b": 20}, {})
    with pytest.raises(DataError, match=r"images smaller than 10000 px, 100\.0%, are enlarged \(40\)"):
        load_dataset(str(tmp_path), DataOptions(image_px=10_000))


def test_images_that_do_not_fit_into_the_memory_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, {"a": 20, "b": 20}, {})
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 4}.__getitem__)
    with pytest.raises(DataError, match=r": holds 0\.0 GiB, the memory of this computer is 0\.0 GiB: save"):
        load_dataset(str(tmp_path), DataOptions(image_px=12))


@pytest.mark.parametrize(("colour", "channels", "mirrored"), [(True, 3, True), (False, 1, False)])
def test_channels_and_mirroring_follow_the_images(
    tmp_path: Path, colour: bool, channels: int, mirrored: bool
) -> None:
    write_class(tmp_path / "a", 5, colour=colour)
    write_class(tmp_path / "b", 5, seed=1, colour=colour)
    data = load_dataset(str(tmp_path))
    assert (data.image_shape, data.mirrorable) == ((12, 12, channels), mirrored)


def test_one_image_in_colour_makes_all_of_them_rgb(tmp_path: Path) -> None:
    write_class(tmp_path / "a", 5, colour=False)
    write_class(tmp_path / "b", 5, seed=1, colour=False)
    noise(9).save(tmp_path / "a" / "colour.png")
    assert load_dataset(str(tmp_path)).image_shape == (12, 12, 3)


def test_channels_and_mirroring_follow_the_user(tmp_path: Path) -> None:
    write_class(tmp_path / "a", 5)
    write_class(tmp_path / "b", 5, seed=1)
    data = load_dataset(str(tmp_path), DataOptions(channels="grey", mirror=False))
    assert (data.channel_order, data.mirrorable) == ("grey", False)
    assert load_dataset(str(tmp_path), DataOptions(channels="grey")).mirrorable


def test_all_broken_files_are_named_at_once(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 4, "b": 4}, {"a": 1, "b": 1})
    (tmp_path / "train" / "a" / "1.png").write_bytes(b"")
    truncated = tmp_path / "test" / "b" / "0.png"
    truncated.write_bytes(truncated.read_bytes()[:-60])
    assert texts(tmp_path, "error") == [
        "files that are no usable images: remove or replace them (2):"
        " train/a/1.png (empty file), test/b/0.png (image file is truncated)"
    ]


def test_progress_counts_every_file(tmp_path: Path) -> None:
    write_class(tmp_path / "a", 50)
    write_class(tmp_path / "b", 50, seed=1)
    seen: list[tuple[int, int]] = []
    load_dataset(str(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, 100), (100, 100)]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is cached and has been loaded."""
    monkeypatch.setattr(pixel_cache, "_PAYS_FROM_FILES", 1)
    write_class(tmp_path / "data" / "a", 5)
    write_class(tmp_path / "data" / "b", 5, seed=1)
    load_dataset(str(tmp_path / "data"))
    return tmp_path / "data"


def cache_files() -> list[Path]:
    return sorted(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.*"))


def files_decoded(folder: Path, **options: object) -> int:
    """How many files are decoded to load a folder."""
    seen: list[int] = [0]
    load_dataset(str(folder), DataOptions(**options), progress=lambda done, total: seen.append(done))
    return seen[-1]


def test_what_is_cached_is_what_was_decoded(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_dataset(str(cached))
    assert files_decoded(cached) == 0
    for path in cache_files():
        path.unlink()
    decoded = load_dataset(str(cached))
    np.testing.assert_array_equal(data.train_images, decoded.train_images)
    assert data.mirrorable == decoded.mirrorable
    assert data.findings == decoded.findings


def test_a_changed_file_is_decoded_again_even_with_its_old_time(cached: Path) -> None:
    path = cached / "a" / "2.png"
    before = path.stat()
    noise(77).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files_decoded(cached) == 10
    assert len(cache_files()) == 1


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "moved to the other class"])
def test_other_files_are_other_data(cached: Path, change: str) -> None:
    path = cached / "a" / "2.png"
    if change == "added":
        noise(78).save(cached / "b" / "new.png")
    elif change == "removed":
        path.unlink()
    else:
        path.rename(cached / "b" / "x.png" if "class" in change else cached / "a" / "x.png")
    assert files_decoded(cached) > 0
    assert files_decoded(cached) == 0


def test_other_options_are_other_entries(cached: Path) -> None:
    assert files_decoded(cached, channels="grey") == 10
    assert files_decoded(cached, image_px=8) == 10
    assert load_dataset(str(cached), DataOptions(channels="grey", image_px=8)).image_shape == (8, 8, 1)
    assert load_dataset(str(cached)).image_shape == (12, 12, 3)
    assert len(cache_files()) == 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", None])
def test_a_damaged_entry_is_made_again(cached: Path, damage: bytes | None) -> None:
    (path,) = cache_files()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert files_decoded(cached) == 10
    assert files_decoded(cached) == 0


def test_a_flipped_bit_in_an_entry_is_noticed(cached: Path) -> None:
    (path,) = cache_files()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert files_decoded(cached) == 10


def test_a_cache_that_cannot_be_written_only_costs_time(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = cached.parent / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert files_decoded(cached) == files_decoded(cached) == 10


def test_a_load_killed_while_it_writes_the_cache_leaves_no_entry(cached: Path) -> None:
    (entry,) = cache_files()
    entry.unlink()
    code = (
        "import os, sys, numpy as np\n"
        "from mcu_nas.datasets import load_dataset, pixel_cache\n"
        "pixel_cache._PAYS_FROM_FILES = 1\n"
        "def savez(file, **arrays):\n"
        "    file.write(b'PK' + bytes(1000)); file.flush(); os._exit(9)\n"
        "np.savez = savez\n"
        "load_dataset(sys.argv[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(cached)], check=False).returncode == 9
    assert not entry.exists()
    assert files_decoded(cached) == 10
    assert entry.exists()


@pytest.mark.skipif(not CIFAR.is_file(), reason=f"{CIFAR} is not on this machine")
def test_cifar10_loads_as_a_user_has_it(tmp_path: Path) -> None:
    names = [
        f"{part}/{label}/{number:04d}.jpg"
        for part in ("train", "test")
        for label in ("airplane", "frog", "truck")
        for number in range(30)
    ]
    subprocess.run(["tar", "-xf", CIFAR, "-C", tmp_path, *names], check=True)
    data = load_dataset(str(tmp_path))
    assert data.labels == ("airplane", "frog", "truck")
    assert data.train_images.shape == data.test_images.shape == (90, 32, 32, 3)
    assert not data.findings
    with Image.open(tmp_path / "test" / "truck" / "0007.jpg") as image:
        np.testing.assert_array_equal(data.test_images[67], np.asarray(image))

"""Folders of images: which files count, which class they have, and what is told about the rest."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.datasets import load_dataset
from mcu_nas.errors import DataError
from tests.datasets.image_folders import findings, noise, texts, write_class, write_folder


def test_train_and_test_folders_are_a_data_set(tmp_path: Path) -> None:
    data = load_dataset(str(write_folder(tmp_path / "pets", {"cat": 5, "dog": 4}, {"cat": 2, "dog": 1})))
    assert (data.name, data.labels) == ("pets", ("cat", "dog"))
    assert data.train_images.shape == (9, 12, 12, 3)
    assert data.train_labels.tolist() == [0] * 5 + [1] * 4
    assert data.test_labels.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(data.train_images[7], np.asarray(noise(1002)))


@pytest.mark.parametrize("below", ["", "train"])
def test_without_a_test_folder_a_fifth_of_each_class_is_set_aside(tmp_path: Path, below: str) -> None:
    write_class(tmp_path / below / "a", 20)
    write_class(tmp_path / below / "b", 10, seed=1)
    write_class(tmp_path / below / "c", 2, seed=2)
    data, again = load_dataset(str(tmp_path)), load_dataset(str(tmp_path))
    assert np.bincount(data.test_labels).tolist() == [4, 2, 1]
    assert np.bincount(data.train_labels).tolist() == [16, 8, 1]
    np.testing.assert_array_equal(data.test_images, again.test_images)
    assert "no test/<class> folders: 7 images, 20% of each class, test" in texts(tmp_path, "note")


def test_an_unlabelled_test_folder_is_no_test_set(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 10, "b": 10}, {})
    write_class(tmp_path / "test", 3, seed=9)
    assert len(load_dataset(str(tmp_path)).test_labels) == 4


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    for number in (10, 9, 2, 100):
        write_class(tmp_path / str(number), 2, seed=number)
    assert load_dataset(str(tmp_path)).labels == ("2", "9", "10", "100")


HOSTILE = ['quote" \\', "*", "new\nline", "-n", "$(id)", "漢字 é", " ", "a" * 200, "%s", "??="]


def test_any_utf8_name_is_a_label(tmp_path: Path) -> None:
    for index, name in enumerate(HOSTILE):
        write_class(tmp_path / name, 2, seed=index)
    assert load_dataset(str(tmp_path)).labels == tuple(sorted(HOSTILE))


def test_accents_encoded_in_two_ways_are_the_same_class(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    write_folder(tmp_path, {composed: 2, "tea": 2}, {decomposed: 1, "tea": 1})
    assert load_dataset(str(tmp_path)).labels == (composed, "tea")
    write_class(tmp_path / "train" / decomposed, 1, seed=7)
    with pytest.raises(DataError, match="two folders are called café"):
        load_dataset(str(tmp_path))


def test_a_class_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    write_class(tmp_path / os.fsdecode(b"caf\xe9"), 2)
    write_class(tmp_path / "tea", 2, seed=1)
    with pytest.raises(DataError, match=r"the name of folder caf\\xe9 is not UTF-8: rename it"):
        load_dataset(str(tmp_path))


def test_a_file_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "b": 1})
    (tmp_path / "train" / "a" / "1.png").rename(tmp_path / "train" / "a" / os.fsdecode(b"\xe9.png"))
    assert len(load_dataset(str(tmp_path)).train_labels) == 4


def test_litter_of_desktops_is_passed_over(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "b": 1})
    for litter in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        (tmp_path / "train" / "a" / litter).write_bytes(b"not an image")
    write_class(tmp_path / "train" / ".thumbnails", 3)
    assert load_dataset(str(tmp_path)).labels == ("a", "b")
    assert not [text for text in texts(tmp_path, "warning") if "not read" in text]


def test_other_files_and_folders_in_a_class_are_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "b": 1})
    noise(1).save(tmp_path / "train" / "a" / "moving.gif")
    (tmp_path / "train" / "b" / "labels.txt").write_text("b")
    (tmp_path / "train" / "b" / "notes.txt").write_text("b")
    write_class(tmp_path / "train" / "b" / "more", 2)
    found = texts(tmp_path, "warning")
    assert (
        "files that are not .png, .jpg, .jpeg, .bmp are not read (3):"
        " train/a/moving.gif, train/b/labels.txt, train/b/notes.txt"
    ) in found
    assert "folders inside class folders are not read (1): train/b/more" in found
    assert len(load_dataset(str(tmp_path)).train_labels) == 4


def test_folders_beside_train_and_test_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "b": 1})
    write_class(tmp_path / "val" / "a", 1)
    assert "folders beside train and test are not read (1): val" in texts(tmp_path, "note")


def test_links_are_followed_and_loops_are_no_images(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"a": 2, "b": 2}, {"a": 1, "b": 1})
    write_class(tmp_path / "elsewhere", 3, seed=5)
    (tmp_path / "data" / "train" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "train" / "a" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "train" / "self").symlink_to("self")
    data = load_dataset(str(tmp_path / "data"))
    assert np.bincount(data.train_labels).tolist() == [2, 2, 3]
    assert "folders inside class folders are not read (1): train/a/up" in texts(tmp_path / "data", "warning")


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "b": 1})
    (tmp_path / "train" / "a" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"train/a/gone\.png \(No such file or directory\)"):
        load_dataset(str(tmp_path))


def test_a_class_that_is_only_tested_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "x": 1, "y": 1})
    with pytest.raises(DataError, match=r"/test: classes that train has not \(2\): x, y"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: None, "no class folders: images belong into train/<class>/ and test/<class>/"),
        (lambda folder: write_class(folder, 3), "3 images lie in no class folder"),
        (lambda folder: write_class(folder / "train", 3), "train: no class folders"),
        (lambda folder: (folder / "a").mkdir(), "files in its 1 class folders"),
        (lambda folder: write_class(folder / "Train" / "a", 3), "not read (1): Train/a"),
    ],
    ids=["empty", "loose images", "loose images in train", "empty class", "one level too high"],
)
def test_a_folder_of_another_layout_says_what_was_expected(tmp_path: Path, make, expected: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError) as error:
        load_dataset(str(tmp_path))
    assert expected in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2}, {"a": 1, "b": 1})
    (tmp_path / "train" / "a").chmod(0)
    with pytest.raises(DataError, match="train/a: cannot be read: Permission denied"):
        load_dataset(str(tmp_path))


def test_thousands_of_classes_are_fine(tmp_path: Path) -> None:
    image = noise(0, 4, 4)
    for number in range(1000):
        (tmp_path / f"n{number:04d}").mkdir()
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        image.save(tmp_path / f"n{number:04d}" / "0.bmp")
        image.putpixel((1, 0), (number % 256, number // 256, 1))
        image.save(tmp_path / f"n{number:04d}" / "1.bmp")
    data = load_dataset(str(tmp_path))
    assert len(data.labels) == len(data.train_labels) == len(data.test_labels) == 1000
    (few,) = [finding for finding in findings(tmp_path, "warning") if "fewer than" in finding.text]
    assert len(few.names) == 1000
    assert len(str(few)) < 200

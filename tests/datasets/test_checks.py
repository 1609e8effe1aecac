"""What is found about data before anything is trained on them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.datasets import load_dataset
from mcu_nas.datasets.checks import check
from mcu_nas.datasets.dataset import Dataset
from mcu_nas.datasets.findings import Finding
from mcu_nas.errors import DataError
from tests.datasets.image_folders import texts, write_folder


def dataset(train: list[int], test: list[int], classes: int = 3) -> Dataset:
    """Random images of these classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(train) + len(test), 4, 4, 1), dtype=np.uint8)
    labels = np.array(train + test, np.int64)
    names = tuple("abcdefgh"[:classes])
    count = len(train)
    return Dataset("x", images[:count], labels[:count], images[count:], labels[count:], names)


def found(data: Dataset, level: str) -> list[str]:
    train = [f"train {index}" for index in range(len(data.train_labels))]
    test = [f"test {index}" for index in range(len(data.test_labels))]
    return [str(finding) for finding in check(data, train, test) if finding.level == level]


def test_balanced_data_without_repetitions_give_no_finding() -> None:
    data = dataset([0, 1, 2] * 30, [0, 1, 2] * 5)
    assert check(data, [""] * 90, [""] * 15) == []


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (
            [0] * 30,
            "fewer than two classes have images to train on, so that there is nothing to tell apart (1): a",
        ),
        ([0, 2] * 30, "classes without images to train on (1): b"),
    ],
)
def test_too_few_classes_are_an_error(train: list[int], expected: str) -> None:
    assert found(dataset(train, [0, 1, 2]), "error") == [expected]


def test_a_class_that_nothing_tests_is_a_warning() -> None:
    data = dataset([0, 1, 2] * 30, [0, 2])
    assert found(data, "warning") == [
        "classes without images to test on, so that nothing is known of them (1): b"
    ]


def test_imbalance_is_told_with_counts() -> None:
    data = dataset([0] * 300 + [1] * 100 + [2] * 30, [0, 1, 2])
    assert found(data, "warning") == [
        "the largest class (a) has 300 images to train on, the smallest 30: accuracy says little of the rare"
        " ones (1): c"
    ]
    assert not found(dataset([0] * 299 + [1] * 100 + [2] * 30, [0, 1, 2]), "warning")


def test_classes_of_few_images_are_named() -> None:
    data = dataset([0] * 20 + [1] * 19 + [2] * 3, [0, 1, 2])
    assert found(data, "warning") == ["classes with fewer than 20 images to train on (2): b, c"]


def test_test_images_that_are_training_images_are_counted_and_named() -> None:
    data = dataset([0, 1, 2] * 30, [0, 1, 2] * 10)
    for test, train in ((4, 17), (9, 3)):
        data.test_images[test] = data.train_images[train]
    assert found(data, "warning") == [
        "test images that are training images, too, 6.7%: accuracy is overstated (2):"
        " test 4 = train 17, test 9 = train 3"
    ]


def test_an_image_in_two_classes_is_a_warning_and_twice_in_one_a_note() -> None:
    data = dataset([0, 1, 2] * 30, [0, 1, 2])
    data.train_images[1] = data.train_images[0]
    data.train_images[3] = data.train_images[0]
    assert found(data, "warning") == ["training images that occur in two classes (1): train 1 = train 0"]
    assert found(data, "note") == [
        "training images that occur more than once in their class (1): train 3 = train 0"
    ]


def test_a_copied_file_is_found_by_its_pixels(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 20, "b": 20}, {"a": 4, "b": 4})
    shutil.copy(tmp_path / "train" / "a" / "3.png", tmp_path / "test" / "a" / "copy.png")
    assert texts(tmp_path, "warning") == [
        "test images that are training images, too, 11.1%: accuracy is overstated (1):"
        " test/a/copy.png = train/a/3.png"
    ]


def test_warnings_travel_with_the_data_set_and_its_record(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 30, "b": 2}, {"a": 4, "b": 4})
    record = load_dataset(str(tmp_path)).to_record()
    assert [finding["level"] for finding in record["findings"]] == ["warning", "warning"]
    assert record["findings"][1] == {
        "level": "warning",
        "text": "classes with fewer than 20 images to train on",
        "count": 1,
        "names": ["b"],
    }
    assert record["classes"] == [
        {"label": "a", "train": 30, "test": 4},
        {"label": "b", "train": 2, "test": 4},
    ]


def test_errors_are_one_line_with_counts(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 4, "b": 4}, {"a": 1, "b": 1})
    for index in range(4):
        (tmp_path / "train" / "a" / f"{index}.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        load_dataset(str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path}: files that are no usable images: remove or replace them (4): train/a/0.png (empty file)"
        ", train/a/1.png (empty file), train/a/2.png (empty file), and 1 more (`mcu-nas data` lists all)"
    )


def test_a_record_holds_so_many_names() -> None:
    finding = Finding("note", "many", tuple(map(str, range(50))))
    assert finding.to_record(20)["count"] == 50
    assert finding.to_record(20)["names"] == list(map(str, range(20)))
    assert len(finding.to_record()["names"]) == 50
    assert str(finding) == "many (50): 0, 1, 2, and 47 more"

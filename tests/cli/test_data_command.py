"""``mcu-nas data``, and the options that say how data are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command_line import mcu_nas
from tests.datasets.image_folders import write_class, write_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "my pets", {"cat": 25, "dog": 20}, {"cat": 5, "dog": 4})


def test_data_shows_classes_and_ends_with_a_search(pets: Path) -> None:
    done = mcu_nas("data", str(pets))
    assert done.code == 0
    assert done.out.splitlines() == [
        "my pets: 2 classes, 45 images to train on, 9 to test",
        "12x12 px, RGB, the centre square by area averaging; mirrored images keep their class",
        "",
        "class  train  test",
        "cat       25     5",
        "dog       20     4",
        "",
        f"next: mcu-nas search --board stm32f746g-disco --data '{pets}'",
    ]


def test_json_lists_every_name(pets: Path) -> None:
    write_class(pets / "train" / "rare", 2, seed=50)
    record = json.loads(mcu_nas("data", str(pets), "--json", "--channels", "grey", "--no-mirror").out)
    assert (record["channels"], record["channel_order"], record["mirror"]) == (1, "grey", False)
    assert [row["train"] for row in record["classes"]] == [25, 20, 2]
    assert [(found["level"], found["names"]) for found in record["findings"]] == [
        ("warning", ["rare"]),
        ("warning", ["rare"]),
        ("warning", ["rare"]),
    ]
    assert record["next"].endswith("my pets' --channels grey --no-mirror")


def test_all_broken_files_are_listed_and_the_exit_code_is_2(pets: Path) -> None:
    for index in range(9):
        (pets / "train" / "cat" / f"{index}.png").write_bytes(b"")
    done = mcu_nas("data", str(pets), "--json")
    record = json.loads(done.out)
    assert record["findings"][0]["names"] == [f"train/cat/{index}.png (empty file)" for index in range(9)]
    assert record["next"] is None
    assert done.code == 2
    assert done.err.endswith("nothing can be trained on these data\n")


def test_space_takes_a_folder_and_warns_on_stderr(pets: Path) -> None:
    write_class(pets / "train" / "rare", 2, seed=50)
    write_class(pets / "test" / "rare", 2, seed=60)
    done = mcu_nas(
        "space", "--board", "stm32f746g-disco", "--data", str(pets), "--samples", "20", "--channels", "grey"
    )
    assert done.code == 0, done.err
    assert "warning: classes with fewer than 20 images to train on (1): rare\n" in done.err
    assert done.out.splitlines()[-1].endswith("my pets' --channels grey")


def test_a_size_for_arrays_is_refused() -> None:
    done = mcu_nas("data", "fashion-mnist", "--image-px", "20")
    assert (done.code, done.out) == (2, "")
    assert "--image-px is for folders of image files" in done.err

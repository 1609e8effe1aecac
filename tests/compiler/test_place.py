"""Generated C takes no place of somebody else's file, nor of another model."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcu_nas.compiler.build_systems import BuildSystem
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.export import write_exports
from mcu_nas.errors import UsageError
from mcu_nas.tflite.writer import serialize_tflite
from tests.compiler.small_program import small_program


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("layout", "file"),
    [
        (BuildSystem.CMAKE, "CMakeLists.txt"),
        (BuildSystem.CMAKE, "kws.c"),
        (BuildSystem.ARDUINO, "library.properties"),
        (BuildSystem.ARDUINO, "src/kws.h"),
        (BuildSystem.ZEPHYR, "zephyr/module.yml"),
        (BuildSystem.ZEPHYR, "README.md"),
    ],
)
def test_a_users_own_file_is_not_overwritten(layout, file, tmp_path):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"mine, in Latin-1: \xe9\n")
    before = contents(tmp_path)
    with pytest.raises(UsageError) as caught:
        write_sources(small_program(), tmp_path, layout)
    assert str(caught.value) == (
        f"{tmp_path / file}: mcu_nas did not write it and would overwrite it: choose another folder"
    )
    assert contents(tmp_path) == before


def test_a_users_other_files_stay_beside_the_model(tmp_path):
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    write_sources(small_program(), tmp_path)
    assert (tmp_path / "main.c").read_text() == "int main(void) { return 0; }\n"


@pytest.mark.parametrize("layout", list(BuildSystem))
def test_a_second_model_is_refused_in_the_folder_of_the_first(layout, tmp_path):
    write_sources(small_program("first"), tmp_path, layout)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r": holds the model 'first': choose another folder for 'second'$"):
        write_sources(small_program("second"), tmp_path, layout)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("layout", list(BuildSystem))
def test_the_model_of_the_same_name_takes_the_place_of_its_earlier_version(layout, tmp_path):
    write_sources(small_program(seed=1), tmp_path / "twice", layout)
    write_sources(small_program(seed=2), tmp_path / "twice", layout)
    write_sources(small_program(seed=2), tmp_path / "once", layout)
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


def test_exports_leave_a_users_model_data_alone(tmp_path):
    program = small_program()
    model = tmp_path / "kws.tflite"
    model.write_bytes(serialize_tflite(program.graph))
    out = tmp_path / "out"
    write_exports(model, program, out)
    write_exports(model, program, out)
    (out / "model_data.h").write_text("mine\n")
    (out / "kws.c").unlink()
    with pytest.raises(UsageError, match=r"model_data\.h: mcu_nas did not write it"):
        write_exports(model, program, out)
    assert not (out / "kws.c").exists()

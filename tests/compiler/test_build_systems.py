"""A generated folder inside somebody's project: built by CMake, as an Arduino library, as a Zephyr module."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import kconfiglib
import numpy as np
import pytest

from mcu_nas.compiler.build_systems import BuildSystem
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.program import Encoding, Program, compile_graph
from mcu_nas.devices.host import HostModel
from mcu_nas.graph import Quantization
from mcu_nas.tflite.writer import serialize_tflite
from tests.command_line import mcu_nas
from tests.compiler.small_program import CPP_STRICT, compile_c, run, small_program
from tests.graphs import GraphMaker

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
LABELS = ("yes", "no", "silence", "unknown")
BOTH_RUN = """\
#include "first.h"
#include "second.h"

static uint8_t first_arena[FIRST_ARENA_BYTES];
static uint8_t second_arena[SECOND_ARENA_BYTES];

int main(void) {
    first_run(first_arena);
    second_run(second_arena);
    return first_model.layer_count != second_model.layer_count;
}
"""


def values(program: Program, sample: np.ndarray) -> np.ndarray:
    """The outputs of one inference as real values, of the same C built directly."""
    quantization = program.graph.quantization[program.graph.network.outputs[0]]
    output = HostModel(program).run(sample[None])[0].astype(np.float32)
    return quantization.scale * (output - quantization.zero_point)


def cmake(folder: Path, *options: str) -> None:
    """Configure and build the project in ``folder`` to ``folder/build``."""
    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", *options, cwd=folder)
    run("cmake", "--build", "build", cwd=folder)


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ((), {"CMakeLists.txt", "kws.h", "kernels/conv.c"}),
        (("--board", "stm32f746g-disco"), {"CMakeLists.txt", "kws.h", "kws_kernels.S"}),
        (("--layout", "cmake"), {"CMakeLists.txt", "kws.h", "kernels/conv.c"}),
        (("--layout", "arduino"), {"library.properties", "src/kws.h", "src/kernels/conv.c"}),
        (("--layout", "zephyr"), {"zephyr/module.yml", "kws.h", "kernels/conv.c"}),
    ],
)
def test_compile_writes_the_layout_that_is_asked_for(layout, files, tmp_path):
    (tmp_path / "kws.tflite").write_bytes(serialize_tflite(small_program().graph))
    out = tmp_path / "out"
    done = mcu_nas("compile", str(tmp_path / "kws.tflite"), "--out", str(out), *layout)
    assert done.code == 0, done.err
    assert files <= {path.relative_to(out).as_posix() for path in out.rglob("*")}


# ---- CMake


def example_with(program: Program, folder: Path) -> Path:
    """The CMake example's folder, with a model."""
    shutil.copytree(EXAMPLES / "cmake", folder / "cmake", ignore=shutil.ignore_patterns("model", "build*"))
    write_sources(program, folder / "cmake" / "model")
    return folder / "cmake"


@pytest.fixture
def cmake_example(tmp_path):
    """The example's folder and its model."""
    program = small_program("model", LABELS)
    return example_with(program, tmp_path), program


def pixel_classifier() -> Program:
    """A model of pixels whose users hold uint8: its classes depend on the sign of what arrives."""
    maker = GraphMaker(3)
    x = maker.activation("pixels", (1, 8, 8, 3))
    maker.quantization[x] = Quantization((float(np.float32(1 / 255)),), (-128,))
    y = maker.fully_connected(maker.pool(maker.conv(x, 16, (3, 3), (2, 2)), (2, 2)), 10)
    return compile_graph(maker.graph((x,), (y,)), "model", "0123456789abcdef")


def test_cmake_example_runs_and_prints_the_models_outputs(cmake_example):
    folder, program = cmake_example
    cmake(folder)
    sample = np.random.default_rng(0).integers(-128, 128, (8, 8, 3), dtype=np.int8)
    classify = folder / "build" / "classify"
    printed = subprocess.run([classify], input=sample.tobytes(), capture_output=True, check=True).stdout
    lines = [line.split(" ") for line in printed.decode().splitlines()]
    assert [label for label, _ in lines] == list(LABELS)
    np.testing.assert_allclose([float(value) for _, value in lines], values(program, sample), rtol=1e-5)


def test_cmake_example_classifies_raw_pixels_as_the_harness_does(tmp_path):
    program = pixel_classifier()
    assert program.input_encodings == (Encoding.PIXEL_U8,)
    folder = example_with(program, tmp_path)
    cmake(folder)
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    found = [
        subprocess.run(
            [folder / "build" / "classify"], input=image.tobytes(), capture_output=True, check=True
        ).stdout.split()
        for image in images
    ]
    classes = [np.argmax([float(value) for value in values]) for values in found]
    model = HostModel(program)
    expected = model.run((images ^ 0x80).view(np.int8)).reshape(20, -1).argmax(axis=1)
    assert classes == expected.tolist()
    copied = model.run(images.view(np.int8)).reshape(20, -1).argmax(axis=1)
    assert copied.tolist() != expected.tolist(), "this model does not tell the encodings apart"


def test_cmake_example_is_optimised_unless_the_user_says_otherwise(cmake_example):
    folder, _ = cmake_example
    cmake(folder, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    commands = json.loads((folder / "build" / "compile_commands.json").read_text())
    assert all(" -O3 " in entry["command"] for entry in commands)
    cmake(folder, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DCMAKE_BUILD_TYPE=MinSizeRel")
    commands = json.loads((folder / "build" / "compile_commands.json").read_text())
    assert all(" -Os " in entry["command"] for entry in commands)


def test_cmake_example_asks_for_the_bytes_that_are_missing(cmake_example):
    folder, _ = cmake_example
    cmake(folder)
    done = subprocess.run([folder / "build" / "classify"], input=b"few", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.decode() == "classify: 192 bytes are needed on stdin\n"


def test_cmake_example_builds_for_a_cortex_m7(cmake_example):
    folder, _ = cmake_example
    cmake(folder, "-DCMAKE_TOOLCHAIN_FILE=arm-none-eabi.cmake")
    attributes = run("readelf", "-A", "build/classify", cwd=folder)
    assert "Tag_CPU_arch: v7E-M" in attributes
    assert "Tag_ABI_HardFP_use: SP only" in attributes


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_two_models_link_into_one_cmake_project_and_share_the_kernels(compiler, tmp_path):
    for seed, name in enumerate(("first", "second")):
        write_sources(small_program(name, seed=seed), tmp_path / name)
    (tmp_path / "main.c").write_text(BOTH_RUN)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(both C)\n"
        "add_subdirectory(first)\nadd_subdirectory(second)\n"
        "add_executable(both main.c)\ntarget_link_libraries(both PRIVATE first second)\n"
    )
    cmake(tmp_path, f"-DCMAKE_C_COMPILER={compiler}")
    run(tmp_path / "build" / "both", cwd=tmp_path)
    assert len(list(tmp_path.glob("build/**/libmcu_kernel_conv.a"))) == 1


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_two_models_link_without_a_build_system(compiler, tmp_path):
    """Objects side by side, the kernels' once."""
    objects = {}
    for seed, name in enumerate(("first", "second")):
        write_sources(small_program(name, seed=seed), tmp_path / name)
        objects |= {path.name: path for path in compile_c(compiler, tmp_path / name)}
    (tmp_path / "main.c").write_text(BOTH_RUN)
    run(compiler, "-Ifirst", "-Isecond", "main.c", *objects.values(), "-o", "both", cwd=tmp_path)
    run(tmp_path / "both", cwd=tmp_path)


# ---- Arduino


def arduino_archive(library: Path) -> Path:
    """A library compiled as Arduino does with dot_a_linkage: each file below src/, then an archive."""
    objects = compile_c("gcc", library / "src", f"-I{library / 'src'}")
    run("ar", "rcs", library / "library.a", *objects, cwd=library)
    return library / "library.a"


def arduino_program(sketch: Path, libraries: list[Path]) -> Path:
    """A sketch made a C++ file, as Arduino does, and linked with the libraries and a main program."""
    folder = sketch.parent
    (folder / "sketch.cpp").write_text(f"#include <Arduino.h>\n{sketch.read_text()}")
    (folder / "main.cpp").write_text(
        "#include <Arduino.h>\nSerialPort Serial;\nint main() { setup(); loop(); }\n"
    )
    includes = [f"-I{HERE / 'build_systems'}", *(f"-I{library / 'src'}" for library in libraries)]
    archives = [arduino_archive(library) for library in libraries]
    run("g++", "-std=gnu++11", *CPP_STRICT, *includes, "sketch.cpp", "main.cpp", *archives, "-o", "sketch",
        cwd=folder)  # fmt: skip
    return folder / "sketch"


@pytest.mark.parametrize("labels", [LABELS, ()])
def test_arduino_sketch_runs_and_prints_the_models_outputs(labels, tmp_path):
    program = small_program("kws", labels)
    write_sources(program, tmp_path, BuildSystem.ARDUINO)
    sketch = arduino_program(tmp_path / "examples" / "kws_once" / "kws_once.ino", [tmp_path])
    lines = [line.split(": ") for line in run(sketch, cwd=tmp_path).splitlines()]
    zero = np.full((8, 8, 3), program.graph.quantization[0].zero_point, np.int8)
    assert [name for name, _ in lines] == [*(labels or "0123"), "microseconds"]
    np.testing.assert_allclose([float(value) for _, value in lines[:-1]], values(program, zero), atol=6e-5)


def test_two_arduino_libraries_link_into_one_sketch(tmp_path):
    for seed, name in enumerate(("first", "second")):
        write_sources(small_program(name, seed=seed), tmp_path / name, BuildSystem.ARDUINO)
    (tmp_path / "both.ino").write_text(
        "#include <first.h>\n#include <second.h>\n"
        "static uint8_t first_arena[FIRST_ARENA_BYTES];\nstatic uint8_t second_arena[SECOND_ARENA_BYTES];\n"
        "void setup() {}\n"
        'void loop() { first_run(first_arena); second_run(second_arena); Serial.print("both"); }\n'
    )
    sketch = arduino_program(tmp_path / "both.ino", [tmp_path / "first", tmp_path / "second"])
    assert run(sketch, cwd=tmp_path) == "both"


@pytest.mark.parametrize("stem", ["kws", "Arduino.v2", "9 lives", "x" * 300])
def test_library_properties_have_every_required_field_with_a_legal_value(stem, tmp_path):
    program = small_program(stem)
    write_sources(program, tmp_path, BuildSystem.ARDUINO)
    lines = (tmp_path / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    legal = {
        "name": r"(?!(?i:arduino))[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}",
        "version": r"\d+\.\d+\.\d+",
        "author": r".+",
        "maintainer": r".+",
        "sentence": r"[A-Z].+\.",
        "paragraph": r".+",
        "category": "Display|Communication|Signal Input/Output|Sensors|Device Control|Timing|Data Storage"
        "|Data Processing|Other",
        "url": r"https?://\S+",
        "architectures": r"\*|[a-z0-9_]+(,[a-z0-9_]+)*",
        "includes": re.escape(f"{program.name}.h"),
        "dot_a_linkage": "true|false",
    }
    assert fields.keys() == legal.keys()
    for field, pattern in legal.items():
        assert re.fullmatch(pattern, fields[field]), f"{field}={fields[field]}"
    sketches = list(tmp_path.glob("examples/*/*.ino"))
    assert [sketch.stem for sketch in sketches] == [sketch.parent.name for sketch in sketches]
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", sketches[0].stem)
    assert {path.name for path in tmp_path.iterdir()} == {"src", "examples", "library.properties"}


# ---- Zephyr


def zephyr_project(folder: Path, *enabled: str) -> None:
    """Two models as modules in a program that links every library whole, as Zephyr does."""
    for seed, name in enumerate(("first", "second")):
        write_sources(small_program(name, seed=seed), folder / name, BuildSystem.ZEPHYR)
    (folder / "main.c").write_text(BOTH_RUN if len(enabled) == 2 else "int main(void) { return 0; }\n")
    options = "".join(f"set(CONFIG_MCU_MODEL_{name.upper()} y)\n" for name in enabled)
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(program C)\n"
        f"include({HERE / 'build_systems' / 'zephyr.cmake'})\n{options}"
        "add_subdirectory(first)\nadd_subdirectory(second)\n"
        "get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)\n"
        "add_executable(program main.c)\n"
        "target_link_libraries(program zephyr_interface "
        "-Wl,--whole-archive ${libraries} -Wl,--no-whole-archive)\n"
    )
    cmake(folder)


def test_two_zephyr_modules_link_into_one_program(tmp_path):
    zephyr_project(tmp_path, "first", "second")
    run(tmp_path / "build" / "program", cwd=tmp_path)


def test_a_zephyr_module_that_is_not_enabled_brings_nothing(tmp_path):
    zephyr_project(tmp_path, "second")
    libraries = {path.name for path in tmp_path.glob("build/**/*.a")}
    assert "libmcu_model_second.a" in libraries
    assert "libmcu_model_first.a" not in libraries


def test_zephyrs_kconfig_offers_the_model_switched_off(tmp_path, monkeypatch):
    write_sources(small_program("kws"), tmp_path, BuildSystem.ZEPHYR)
    monkeypatch.setenv("KCONFIG_STRICT", "y")
    kconfig = kconfiglib.Kconfig(os.fspath(tmp_path / "Kconfig"), warn_to_stderr=False)
    assert kconfig.warnings == []
    (symbol,) = kconfig.unique_defined_syms
    assert symbol.name == "MCU_MODEL_KWS"
    assert symbol.str_value == "n"
    assert symbol.nodes[0].prompt is not None
    symbol.set_value("y")
    assert symbol.config_string == "CONFIG_MCU_MODEL_KWS=y\n"
    assert f"if(CONFIG_{symbol.name})" in (tmp_path / "CMakeLists.txt").read_text()


def test_zephyrs_module_file_points_to_what_is_there_and_the_readme_says_it_is_unbuilt(tmp_path):
    write_sources(small_program("kws"), tmp_path, BuildSystem.ZEPHYR)
    module = (tmp_path / "zephyr" / "module.yml").read_text()
    mark, module = module.split("\n", 1)
    assert re.fullmatch(r"# Generated by mcu_nas \S+; do not edit\.", mark)
    assert module == "name: mcu_model_kws\nbuild:\n  cmake: .\n  kconfig: Kconfig\n"
    assert (tmp_path / "CMakeLists.txt").is_file()
    assert (tmp_path / "Kconfig").is_file()
    assert "never built with Zephyr" in (tmp_path / "README.md").read_text().replace("\n", " ")

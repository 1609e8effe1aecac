"""Generated files as a firmware engineer meets them: compilers, C and C++, what the text says."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from mcu_nas.compiler.c_text import c_float
from mcu_nas.compiler.emit import emit_sources, write_sources
from mcu_nas.compiler.emit_model_data import emit_model_data
from mcu_nas.compiler.program import Encoding, compile_graph
from mcu_nas.cores import CORE_FLAGS
from mcu_nas.errors import UnsupportedError, UsageError
from mcu_nas.graph import Quantization
from mcu_nas.network import op_macs
from mcu_nas.resources import firmware_dir
from mcu_nas.tflite.writer import serialize_tflite
from tests.compiler.small_program import CPP_STRICT, STRICT, compile_c, kernel_sources, run, small_program
from tests.graphs import GraphMaker, graphs

COMPILERS = [
    ("gcc", ()),
    ("clang", ()),
    ("arm-none-eabi-gcc", ("-mcpu=cortex-m7", "-mthumb")),
    ("arm-none-eabi-gcc", ("-mcpu=cortex-m0", "-mthumb")),
]


@pytest.mark.parametrize(("compiler", "core"), COMPILERS)
def test_generated_c_compiles_without_a_warning(compiler, core, tmp_path):
    write_sources(small_program(), tmp_path)
    assert compile_c(compiler, tmp_path, "-O2", *core)


@pytest.mark.parametrize(("compiler", "core"), COMPILERS)
def test_every_kernel_compiles_without_a_warning(compiler, core):
    kernels = kernel_sources()
    run(compiler, "-std=c11", *STRICT, *core, "-O2", "-fsyntax-only", *kernels, cwd=firmware_dir())


def test_every_kernel_with_helium_compiles_without_a_warning():
    flags = ("-std=c11", *STRICT, *CORE_FLAGS["cortex-m55"], "-O2", "-fsyntax-only")
    run("arm-none-eabi-gcc", *flags, *kernel_sources(helium=True), cwd=firmware_dir())


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_documented_calls_compile_without_a_warning(compiler, tmp_path):
    write_sources(small_program(), tmp_path)
    document = (Path(__file__).parents[2] / "docs" / "generated_c.md").read_text()
    whole_run, real_value = re.findall(r"```c\n(.*?)```", document, re.DOTALL)
    (tmp_path / "main.c").write_text(
        '#include <math.h>\n#include "kws.h"\n'
        "static uint8_t sample[KWS_INPUT0_BYTES];\nstatic float mfcc[KWS_INPUT0_BYTES];\n"
        f"int main(void) {{\n{whole_run}"
        f"for (int i = 0; i < KWS_INPUT0_BYTES; i++) {{\n{real_value}}}\nreturn scores[0];\n}}\n"
    )
    run(compiler, "-std=c11", *STRICT, "-fsyntax-only", "main.c", cwd=tmp_path)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_header_serves_cpp(compiler, tmp_path):
    program = small_program()
    write_sources(program, tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "kws.h"\n'
        "alignas(KWS_ARENA_ALIGN) static uint8_t arena[KWS_ARENA_BYTES];\n"
        "int main() {\n"
        "    kws_run(arena);\n"
        "    const auto *output = static_cast<const KWS_OUTPUT0_TYPE *>(kws_output(arena, 0));\n"
        "    return kws_input(arena, 1) != nullptr || output != kws_output(arena, 0);\n"
        "}\n"
    )
    objects = compile_c("gcc", tmp_path)
    run(compiler, "-std=c++17", *CPP_STRICT, "main.cpp", *objects, "-o", "main", cwd=tmp_path)
    run(tmp_path / "main", cwd=tmp_path)


def test_every_kernel_is_cpp_too():
    kernels = kernel_sources()
    run("g++", "-std=c++20", "-Wall", "-Werror", "-Wpedantic", "-fsyntax-only", *kernels, cwd=firmware_dir())


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_any_model_compiles_without_a_warning_as_c_and_as_cpp(graph):
    with tempfile.TemporaryDirectory() as folder:
        write_sources(compile_graph(graph, "kws", "0" * 16), Path(folder))
        sources = ("-fsyntax-only", "kws.c", "kws_weights.c")
        run("gcc", "-std=c11", *STRICT, *sources, cwd=Path(folder))
        run("g++", "-std=c++20", "-Wall", "-Werror", "-Wpedantic", *sources, cwd=Path(folder))


def test_header_declares_the_whole_interface():
    program = small_program()
    header = emit_sources(program)["kws.h"]
    tensors = [("INPUT0", program.graph.network.inputs[0]), ("OUTPUT0", program.graph.network.outputs[0])]
    expected = {"ARENA_BYTES": str(program.arena_bytes), "INPUT_COUNT": "1", "OUTPUT_COUNT": "1"}
    for prefix, tensor in tensors:
        quantization = program.graph.quantization[tensor]
        expected[f"{prefix}_BYTES"] = str(program.graph.network.tensors[tensor].bytes)
        expected[f"{prefix}_TYPE"] = "int8_t"
        expected[f"{prefix}_ENCODING"] = "MCU_INT8"
        expected[f"{prefix}_SCALE"] = c_float(quantization.scale)
        expected[f"{prefix}_ZERO_POINT"] = f"({quantization.zero_point})"
    expected |= {"INPUT0_HEIGHT": "8", "INPUT0_WIDTH": "8", "INPUT0_CHANNELS": "3", "OUTPUT0_CHANNELS": "4"}
    defined = dict(re.findall(r"^#define KWS_(\w+) (.+)$", header, re.MULTILINE))
    assert int(defined.pop("ARENA_ALIGN")) in (1, 2, 4, 8)
    assert defined == expected
    for declaration in (
        "void *kws_input(void *arena, int index);",
        "const void *kws_output(const void *arena, int index);",
        "void kws_run(void *arena);",
        "extern const struct mcu_model kws_model;",
    ):
        assert declaration in header


def test_a_comment_tells_each_layers_operator_shapes_offsets_macs_and_constants():
    program = small_program()
    network, offsets = program.graph.network, program.plan.offsets
    comments = re.findall(
        r"^/\* ([A-Z_0-9]+) .*\n \* (.*) \*/$", emit_sources(program)["kws.c"], re.MULTILINE
    )
    assert len(comments) == len(program.calls)
    for (operator, line), call in zip(comments, program.calls, strict=True):
        assert operator == call.op.tflite_name
        places = line.split(";")[0].replace(" -> ", ", ").split(", ")
        for place, tensor in zip(places, (*call.inputs, call.output), strict=True):
            shape = "x".join(map(str, network.shape(tensor)[1:]))
            assert place == f"{shape} at {offsets[tensor]}"
        macs, constants = op_macs(network, call.op), sum(array.nbytes for array in call.arrays.values())
        assert (f"; {macs:,} MACs" in line) == (macs > 0)
        assert (f"; {constants:,} B of constants" in line) == (constants > 0)


def test_no_line_of_code_is_longer_than_a_screen_is_wide():
    for path, text in emit_sources(small_program(output="o" * 500)).items():
        assert max(map(len, text.splitlines())) <= 110, path


def test_the_same_model_gives_the_same_bytes():
    assert emit_sources(small_program()) == emit_sources(small_program())


def test_first_lines_name_model_hash_and_generator():
    sources = emit_sources(small_program())
    for file in ("kws.h", "kws.c", "kws_weights.h", "kws_weights.c"):
        top = sources[file].splitlines()[:2]
        assert "kws" in top[0]
        assert "0123456789abcdef" in top[1]
        assert "generated by mcu_nas" in top[1]
        assert "do not edit" in top[1]


def test_float_literals_read_back_as_the_same_float32():
    for value in np.random.default_rng(0).uniform(1e-6, 10, 200).astype(np.float32):
        assert np.float32(c_float(float(value)).removesuffix("f")) == value
    assert c_float(2.0) == "2.0f"


def test_pixel_inputs_are_recognised_by_their_quantization():
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 4, 4, 1))
    maker.quantization[x] = Quantization((float(np.float32(1 / 255)),), (-128,))
    graph = maker.graph((x,), (maker.mean(x),))
    assert compile_graph(graph, "a", "0" * 16).input_encodings == (Encoding.PIXEL_U8,)
    assert compile_graph(graph, "a", "0" * 16, Encoding.INT8).input_encodings == (Encoding.INT8,)
    assert small_program().input_encodings == (Encoding.INT8,)


def test_a_layer_of_more_macs_than_its_counter_holds_is_refused():
    maker = GraphMaker(0)
    x = maker.activation("pixels", (1, 64, 64, 1024))
    graph = maker.graph((x,), (maker.conv(x, 1024, (1, 1)),))
    with pytest.raises(UnsupportedError, match=r"op 0 CONV_2D .*: 4,294,967,296 MACs in one layer"):
        compile_graph(graph, "a", "0" * 16)


def test_writing_into_a_file_is_one_error_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="cannot write the generated C"):
        write_sources(small_program(), tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_writing_leaves_only_the_generated_files(tmp_path):
    written = write_sources(small_program(), tmp_path)
    assert sorted(written) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_model_data_holds_the_file_and_its_operators(compiler, tmp_path):
    kws = small_program("kws")
    tflite = serialize_tflite(kws.graph)
    text = emit_model_data(tflite, kws)
    assert "MicroMutableOpResolver<6>" in text
    assert "resolver.AddDepthwiseConv2D();" in text
    (tmp_path / "model_data.h").write_text(text)
    (tmp_path / "print.c").write_text(
        '#include <stdio.h>\n#include "model_data.h"\n'
        "int main(void) { return fwrite(kws_tflite, 1, sizeof kws_tflite, stdout) != sizeof kws_tflite; }\n"
    )
    language = ["-x", "c++"] if compiler == "g++" else ["-std=c11"]
    subprocess.run([compiler, *language, "print.c", "-o", "print"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "print"], capture_output=True, check=True).stdout == tflite

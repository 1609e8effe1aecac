"""Names that a model file brings, hostile or unlucky, never change what the generated C means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu_nas.compiler.build_systems import BuildSystem
from mcu_nas.compiler.c_text import c_comment_text, c_identifier, c_string
from mcu_nas.compiler.emit import emit_sources, write_sources
from mcu_nas.compiler.emit_header import emit_header
from mcu_nas.graph import ImageInput
from tests.compiler.small_program import compile_c, run, small_program

HOSTILE = [
    '*/ #error "\\" ??/',
    "ends in a backslash \\",
    "??/",
    "/* nested // \n#error newline\r\n#error\v\f\0 end",
    '", 0}; int evil(void) { return 1; } /*',
    "%s%n ${HOME} $(id) `id` ;id; @name@",
    "\u202e\ufeff é 漢字 \U0001f600",
    "half a pair: \ud800",
    "x" * 70_000,
    "",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("layout", BuildSystem)
def test_no_file_of_the_model_depends_on_what_a_tensor_or_class_is_called(name, layout):
    """But for comments, labels and the prefix: the code is that of the model with plain names."""

    def code(text: str) -> str:
        without_comments = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        return re.sub(r"labels\[4\] = \{\n.*?\n\};", "", without_comments, flags=re.DOTALL)

    plain = emit_sources(small_program(labels=("a", "b", "c", "d")), layout)
    hostile = emit_sources(small_program(labels=(name, "b", name, ""), output=name), layout)
    assert {path: code(text) for path, text in hostile.items()} == {
        path: code(text) for path, text in plain.items()
    }


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_the_pixels_are_said_to_be_stays_in_a_comment_and_a_string(text):
    def code(image_input: ImageInput) -> str:
        header = emit_header(small_program(image_input=image_input))
        header = re.sub(r'CHANNEL_ORDER "(?:[^"\\]|\\[0-7]{3})*"', "CHANNEL_ORDER", header)
        return re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)

    assert code(ImageInput(text, text)) == code(ImageInput("RGB", "as stored"))


def test_header_tells_what_the_pixels_are_and_what_the_classes():
    image_input = ImageInput("grey", "the centre square by area averaging, 32x32")
    header = emit_header(small_program(labels=("cat", "dog", "none", "*/"), image_input=image_input))
    assert '#define KWS_INPUT0_CHANNEL_ORDER "grey"' in header
    assert "the centre square by area averaging, 32x32. */" in " ".join(header.replace("\n *", "").split())
    assert "#define KWS_LABEL_COUNT 4" in header
    assert re.search(r"0 cat\n \*   1 dog\n \*   2 none\n \*   3 __ \*/", header)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_labels_arrive_byte_for_byte(compiler, tmp_path):
    labels = (*HOSTILE[:6], HOSTILE[6], "??=1\\7\a8", "12", "é9")
    maker_labels = labels[:4], labels[4:8]
    for index, four in enumerate(maker_labels):
        folder = tmp_path / str(index)
        write_sources(small_program(labels=four, output=four[0]), folder)
        objects = compile_c(compiler, folder, "-trigraphs")
        (folder / "print.c").write_text(
            '#include <stdio.h>\n#include "kws.h"\n'
            "int main(void) {\n"
            "    for (uint32_t i = 0; i < kws_model.label_count; i++) {\n"
            '        for (const char *c = kws_model.labels[i]; *c != 0; c++) printf("%02x", *c & 0xff);\n'
            '        puts("");\n'
            "    }\n"
            "}\n"
        )
        run(compiler, "print.c", *objects, "-o", "print", cwd=folder)
        printed = run(folder / "print", cwd=folder).split("\n")[:-1]
        # A C string ends where a label has a zero byte.
        assert printed == [label.split("\0")[0].encode().hex() for label in four]


@pytest.mark.parametrize(
    ("stem", "identifier"),
    [
        ("kws", "kws"),
        ("kws-1.5", "kws_1_5"),
        ("__kws__", "kws"),
        ("7seg", "m_7seg"),
        ("", "network"),
        ("ü", "network"),
        ("class", "m_class"),
        ("int", "m_int"),
        ("mcu_add", "m_mcu_add"),
        ("printf", "printf"),  # printf_run is nobody's
        ("main", "m_main"),
        ("string", "m_string"),  # string.h
        ("Math", "m_Math"),  # math.h, where files' names have no case
        ("test", "m_test"),  # a target of CMake
        ("m", "m_m"),  # -lm
        ("kws_weights", "kws_weight"),  # kws_weights.h is part of the model kws
        ("a b\n;${x}\"'/../", "a_b_x"),
        ("x" * 300, "x" * 48),
        ("9" * 300, "m_" + "9" * 46),
    ],
)
def test_identifiers_come_from_the_stem(stem, identifier):
    assert c_identifier(stem) == identifier


@given(st.text())
def test_identifiers_are_short_plain_and_stay_as_they_are(stem):
    name = c_identifier(stem)
    assert re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*_?", name)
    assert len(name) <= 48
    assert c_identifier(name) == name


@given(st.text(st.characters(exclude_categories=[])))
def test_a_comment_never_ends_early_nor_goes_on(text):
    line = c_comment_text(text)
    assert not re.search(r"[*/\\]|[^ -~]", line)
    assert len(line) <= 80


@given(st.text(st.characters(exclude_categories=[])))
def test_a_string_is_one_literal_of_printable_characters(text):
    assert re.fullmatch(r'"([ !#->@-\[\]-~]|\\[0-7]{3})*"', c_string(text))


def test_strings_and_comments_keep_plain_text_readable():
    assert c_string("T-shirt/top") == '"T-shirt/top"'
    assert c_string('a"\n') == '"a\\042\\012"'
    assert c_comment_text("x*/y\n") == "x__y_"


@pytest.mark.parametrize("stem", ["printf", "main", "string", "test", "m", "stdint", "malloc", "int", "all"])
def test_a_model_of_any_name_builds_with_cmake_and_runs(stem, tmp_path):
    program = small_program(stem)
    name = program.name
    write_sources(program, tmp_path / "model")
    (tmp_path / "main.c").write_text(
        f'#include <math.h>\n#include <stdint.h>\n#include <string.h>\n#include "{name}.h"\n'
        f"static uint8_t arena[{program.macro}_ARENA_BYTES];\n"
        "int main(int count, char **words) {\n"
        f"    {name}_run(arena);\n"
        "    return sqrt((double)count) < 1 || strlen(words[0]) == 0;\n"
        "}\n"
    )
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(program C)\nenable_testing()\n"
        "add_subdirectory(model)\n"
        f"add_executable(program main.c)\ntarget_link_libraries(program PRIVATE {name} m)\n"
    )
    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    run(tmp_path / "build" / "program", cwd=tmp_path)

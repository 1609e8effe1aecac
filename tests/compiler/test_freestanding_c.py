"""What a run may not use, looked for in the objects: heap, recursion, growing stack, floats, variables.

A generated model and every kernel, compiled for an Arm core. Each search is tried on a file that has what it
looks for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from mcu_nas.compiler.emit import write_sources
from mcu_nas.cores import CORE_FLAGS
from tests.compiler.small_program import kernel_sources, run, small_program

# A core without FPU calls a function for each operation on floats; one with an FPU has instructions for them.
NO_FPU = ("-mcpu=cortex-m0", "-mthumb")
FPU = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16")
HELIUM = CORE_FLAGS["cortex-m55"]
# What the compiler's own library and the C library bring for integers and for copying memory.
INTEGER_SUPPORT = re.compile(
    r"mem(cpy|move|set|cmp)"
    r"|__aeabi_(u?idiv(mod)?|u?ldivmod|lmul|lls[lr]|lasr|u?lcmp|mem\w+)"
    r"|__clz[sd]i2|__gnu_thumb1_case_\w+"
)


class Objects:
    """Object files of some sources and their call graph, for one core."""

    def __init__(self, sources: list[Path], folder: Path, core: tuple[str, ...], optimization: str) -> None:
        self.folder = folder
        flags = ("-std=c11", *core, optimization, "-fcallgraph-info=su")
        for source in sources:
            run("arm-none-eabi-gcc", *flags, "-c", source, "-o", f"{source.stem}.o", cwd=folder)
        run("arm-none-eabi-ld", "-r", *sorted(folder.glob("*.o")), "-o", "all", cwd=folder)

    def outside_functions(self) -> set[str]:
        """Symbols that the objects take from elsewhere."""
        names = run("arm-none-eabi-nm", "-u", "all", cwd=self.folder).split()
        return {name for name in names if name != "U" and not INTEGER_SUPPORT.fullmatch(name)}

    def float_instructions(self) -> set[str]:
        """Instructions that compute with or convert floats."""
        listing = run("arm-none-eabi-objdump", "-d", "--no-show-raw-insn", "all", cwd=self.folder)
        return set(re.findall(r"\bv\w+\.(?:f32|f64|f16)\S*", listing))

    def variable_bytes(self) -> int:
        """Bytes in RAM."""
        sizes = run("arm-none-eabi-size", "all", cwd=self.folder).splitlines()[1].split()
        return int(sizes[1]) + int(sizes[2])

    def calls(self) -> list[tuple[str, str]]:
        """(caller, callee) of each call; a call through a pointer goes to ``__indirect_call``."""
        pattern = r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"'
        return re.findall(pattern, self._graphs(), re.MULTILINE)

    def recursion(self) -> list[str]:
        """Functions that call each other in a circle, if there are any."""
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for caller, callee in self.calls():
            sorter.add(caller, callee)
        try:
            sorter.prepare()
        except CycleError as error:
            return error.args[1]
        return []

    def stacks(self) -> list[tuple[int, str]]:
        """(bytes, kind) of each function's stack: "static" is known to the compiler."""
        found = re.findall(r"\\n(\d+) bytes \(([a-z,]+)\)", self._graphs())
        return [(int(size), kind) for size, kind in found]

    def _graphs(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.ci"))


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> Callable[[tuple[str, ...], str], Objects]:
    """A generated model and every kernel, those with Helium for it alone, at an optimization level."""
    sources = tmp_path_factory.mktemp("sources")
    write_sources(small_program(labels=("a", "b", "c", "d")), sources)
    files = [*sorted(sources.glob("*.c")), *kernel_sources()]

    @functools.cache
    def build(core: tuple[str, ...], optimization: str) -> Objects:
        further = kernel_sources(helium=True) if core == HELIUM else []
        return Objects([*files, *further], tmp_path_factory.mktemp("objects"), core, optimization)

    return build


@pytest.mark.parametrize("core", [NO_FPU, FPU, HELIUM], ids=["no FPU", "FPU", "Helium"])
def test_nothing_is_called_but_integer_support(objects, core):
    assert objects(core, "-O2").outside_functions() == set()


@pytest.mark.parametrize("core", [FPU, HELIUM], ids=["FPU", "Helium"])
def test_no_instruction_computes_with_floats(objects, core):
    assert objects(core, "-O2").float_instructions() == set()


def test_no_function_calls_itself_directly_or_around(objects):
    assert len(objects(FPU, "-O0").calls()) > 10
    assert objects(FPU, "-O0").recursion() == []


def test_no_call_goes_through_a_pointer(objects):
    assert "__indirect_call" not in {callee for _, callee in objects(FPU, "-O0").calls()}


@pytest.mark.parametrize("core", [FPU, HELIUM], ids=["FPU", "Helium"])
def test_every_stack_frame_has_a_size_that_the_compiler_knows(objects, core):
    assert len(objects(core, "-O2").stacks()) > 10
    assert {kind for _, kind in objects(core, "-O2").stacks()} == {"static"}


def test_the_arena_is_the_only_memory_that_is_written(objects):
    assert objects(FPU, "-O2").variable_bytes() == 0


@pytest.mark.parametrize(
    ("text", "find", "found"),
    [
        ("#include <stdlib.h>\nvoid *f(void) { return malloc(4); }", Objects.outside_functions, {"malloc"}),
        ("float f(float x) { return x * x; }", Objects.float_instructions, {"vmul.f32"}),
        ("int n; int f(void) { return ++n; }", Objects.variable_bytes, 4),
        ("int f(int n) { return n < 2 ? 1 : f(n - 1) + f(n - 2); }", Objects.recursion, ["f", "f"]),
        ("void f(void (*g)(void)) { g(); }", Objects.calls, [("f", "__indirect_call")]),
        (
            "void g(char *); void f(int n) { char a[n]; g(a); }",
            lambda objects: [kind for _, kind in objects.stacks()],
            ["dynamic"],
        ),
    ],
    ids=["heap", "float", "variable", "recursion", "pointer", "variable-length array"],
)
def test_each_search_finds_what_it_looks_for(text, find, found, tmp_path):
    (tmp_path / "bad.c").write_text(text)
    assert find(Objects([tmp_path / "bad.c"], tmp_path, FPU, "-O1")) == found


def test_float_arithmetic_on_a_core_without_fpu_is_a_call(tmp_path):
    (tmp_path / "bad.c").write_text("float f(float x) { return x * 3; }")
    assert Objects([tmp_path / "bad.c"], tmp_path, NO_FPU, "-O1").outside_functions() == {"__aeabi_fmul"}

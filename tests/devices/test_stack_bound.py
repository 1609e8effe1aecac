"""The bound on the stack: never below what a core or gcc says, and no number where the code does not tell."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mcu_nas.board_tables import Placement
from mcu_nas.boards import Board, load_board
from mcu_nas.compiler.catalogue import kernels_of
from mcu_nas.compiler.emit import write_sources
from mcu_nas.compiler.planner import Optimize
from mcu_nas.compiler.program import Program, compile_graph
from mcu_nas.compiler.target import PORTABLE, Target, targets
from mcu_nas.cores import CORE_FLAGS, InstructionSet
from mcu_nas.devices.build import COMPILER_FLAGS, FirmwareImage, build_firmware
from mcu_nas.devices.measurement import measure_layers
from mcu_nas.devices.session import emulated_device
from mcu_nas.devices.stack_bound import POINTERS, StackNeeds
from mcu_nas.devices.thumb_code import read_thumb_code
from mcu_nas.devices.toolchain import run_tool
from mcu_nas.errors import BoardError, BuildError
from mcu_nas.operators import Activation
from mcu_nas.quantize.synthetic import random_graph
from mcu_nas.resources import firmware_dir
from mcu_nas.spaces.builder import NetworkBuilder
from mcu_nas.tflite.reader import parse_tflite
from mcu_nas.tflite.writer import serialize_tflite

CORE = "cortex-m7"
TARGETS = targets(CORE)


@pytest.fixture(scope="module")
def board() -> Board:
    return load_board("qemu-cortex-m7")


@pytest.fixture(
    scope="module", params=TARGETS, ids=lambda target: f"{target.weights}-{target.instruction_set}"
)
def program(request: pytest.FixtureRequest) -> Program:
    return deep_program(request.param)


@pytest.fixture(scope="module")
def image(program: Program, board: Board, tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    return built(program, board, tmp_path_factory.mktemp("deep"))


def deep_program(target: Target) -> Program:
    """Layers of the deepest kernels: Winograd's, depthwise by planes, lanes, and those in C."""
    builder = NetworkBuilder()
    x = builder.input("pixels", (1, 12, 12, 4))
    x = builder.conv("tiles", x, 8, 3, 1, Activation.RELU6)
    x = builder.depthwise("depthwise", x, 3, 1, Activation.RELU6)
    x = builder.conv("pointwise", x, 9, 1, 1, Activation.NONE)
    x = builder.conv("strided", x, 12, 3, 2, Activation.RELU)
    x = builder.add("sum", x, builder.conv("same", x, 12, 1, 1, Activation.NONE))
    x = builder.fully_connected("classes", builder.mean("mean", x), 10)
    graph = random_graph(builder.build(x), np.random.default_rng(1))
    read = parse_tflite(serialize_tflite(graph), "deep.tflite")
    return compile_graph(read, "deep", "0" * 16, optimize=Optimize.SPEED, target=target)


def built(program: Program, board: Board, folder: Path) -> FirmwareImage:
    write_sources(program, folder / "c")
    return build_firmware(folder / "c", program.name, board, folder)


def test_the_emulated_core_stays_within_the_bound_and_comes_near(image: FirmwareImage, board: Board) -> None:
    with emulated_device(board, image.elf) as link:
        measure_layers(link, np.zeros((12, 12, 4), np.int8), emulated=True)
        for command in ("results", "clock", "ticks"):
            link.command(command)
        used = link.memory().stack_used
    assert image.stack_bound is not None
    assert used <= image.stack_bound.firmware_bytes <= used + 128


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m33", "cortex-m55"])
def test_the_bound_holds_on_every_core(core: str, tmp_path: Path) -> None:
    board = load_board(f"qemu-{core}")
    image = built(deep_program(targets(core)[0]), board, tmp_path)
    with emulated_device(board, image.elf) as link:
        measure_layers(link, np.zeros((12, 12, 4), np.int8), emulated=True)
        used = link.memory().stack_used
    assert image.stack_bound is not None
    assert used <= image.stack_bound.firmware_bytes <= used + 256


def test_generators_state_what_their_code_needs(program: Program, image: FirmwareImage) -> None:
    """Where the code itself tells: Winograd's kernels push in a loop, or return to an address in memory."""
    needs = StackNeeds(read_thumb_code(image.elf), stated={}, pointers={})
    for kernel in program.generated:
        if "winograd" in next(call.kernel.name for call in program.calls if call.generated is kernel):
            with pytest.raises(BuildError, match=r"pushes in a loop|jumps where"):
                needs.of(kernel.symbol)
        else:
            assert needs.of(kernel.symbol) == kernel.stack_bytes


def test_a_subroutine_counts_for_every_kernel_that_calls_it(board: Board, tmp_path: Path) -> None:
    """Two depthwise layers of other sizes fill the borders of their planes with one function."""
    builder = NetworkBuilder()
    x = builder.depthwise("few", builder.input("pixels", (1, 8, 8, 8)), 3, 1, Activation.RELU6)
    x = builder.conv("more", x, 16, 1, 1, Activation.RELU6)
    x = builder.depthwise("many", x, 3, 1, Activation.RELU6)
    graph = random_graph(builder.build(x), np.random.default_rng(1))
    program = compile_graph(graph, "twice", "0" * 16, optimize=Optimize.SPEED, target=TARGETS[0])
    few, _, many = program.generated
    assert "bl twice_layer_00_border" in str(few.assembly)
    assert "bl twice_layer_00_border" in str(many.assembly)
    needs = StackNeeds(read_thumb_code(built(program, board, tmp_path).elf), stated={}, pointers={})
    for kernel in (few, many):
        assert needs.of(kernel.symbol) == kernel.stack_bytes > needs.of("twice_layer_00_border") > 0


def test_kernels_in_c_need_what_gcc_says(board: Board, tmp_path: Path) -> None:
    """gcc's -fstack-usage gives each function's own frame; those that call others need more."""
    frames: dict[str, int] = {}
    portable = {kernel.stem for kernel in kernels_of(InstructionSet.PORTABLE)}
    for source in sorted((firmware_dir() / "kernels" / f"{stem}.c") for stem in portable):
        target = tmp_path / f"{source.stem}.o"
        flags = [*COMPILER_FLAGS, *CORE_FLAGS[CORE], "-fstack-usage"]
        assert run_tool("arm-none-eabi-gcc", [*flags, "-c", source, "-o", target]).returncode == 0
        rows = re.findall(r":(\w+)\t(\d+)\tstatic$", target.with_suffix(".su").read_text(), re.MULTILINE)
        frames |= {name: int(size) for name, size in rows}
    code = read_thumb_code(built(deep_program(PORTABLE), board, tmp_path).elf)
    needs = StackNeeds(code, stated={}, pointers={})
    compared = [name for name in code.names.values() if name.startswith("mcu_") and name in frames]
    assert compared
    for name in compared:
        assert needs.of(name) >= frames[name]
    assert any(needs.of(name) == frames[name] > 0 for name in compared)


def test_every_function_that_a_pointer_can_lead_to_is_known(program: Program, tmp_path: Path) -> None:
    """Words of the image that are addresses of Thumb functions: in tables, and in the code's constants.

    Flash lies so high there that hardly any other word looks like one; without the linker's far jumps.
    """
    board = load_board("stm32f746g-disco").model_copy(update={"placement": Placement()})
    image = built(program, board, tmp_path)
    code = read_thumb_code(image.elf)
    content = np.frombuffer(image.binary.read_bytes()[: image.flash_bytes // 4 * 4], "<u4")
    vectors = set(content[1:16].tolist())
    pointed_at = {code.names[word - 1] for word in set(content.tolist()) - vectors if word - 1 in code.names}
    patterns = [pattern.format(model=program.name) for pattern in POINTERS.values()]
    unknown = {name for name in pointed_at if not any(re.fullmatch(p, name) for p in patterns)}
    assert unknown == set()


def test_a_board_that_reserves_too_little_is_refused(program: Program, board: Board, tmp_path: Path) -> None:
    reserve = board.reserve.model_copy(update={"stack_bytes": 128})
    small = board.model_copy(update={"reserve": reserve})
    write_sources(program, tmp_path / "c")
    refusal = r"^qemu-cortex-m7: \[reserve\] stack_bytes is 128: the firmware of deep can come to need"
    with pytest.raises(BoardError, match=refusal):
        build_firmware(tmp_path / "c", program.name, small, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "cortex-m55"])
def test_the_deepest_path_counts_on_every_core(core: str, tmp_path: Path) -> None:
    """Through the cases of a switch and a frame with a pointer to it."""
    source, elf = tmp_path / "entry.c", tmp_path / "entry.elf"
    cases = "".join(f"case {i}: return deep(n, {i}) * {i + 3} + n;" for i in range(5))
    source.write_text(
        "int deep(int n, int i); int entry(int n);"
        "__attribute__((noinline)) int deep(int n, int i) {"
        "    volatile char a[400]; a[0] = (char)n; return a[i] + (__builtin_frame_address(0) != 0); }"
        f"int entry(int n) {{ switch (n) {{ {cases} default: return 0; }} }}"
    )
    flags = [*COMPILER_FLAGS, f"-mcpu={core}", "-mthumb", "-mfloat-abi=soft", "-nostartfiles", "-Wl,-eentry"]
    linked = run_tool("arm-none-eabi-gcc", [*flags, source, "-o", elf])
    assert linked.returncode == 0, linked.stderr
    needs = StackNeeds(read_thumb_code(elf), stated={}, pointers={})
    assert needs.of("entry") > needs.of("deep") >= 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return n == 0 ? 0 : 1 + entry(n - 1) * entry(n - 2);", "calls itself"),
        ("volatile char room[n]; room[0] = 1; return room[n - 1];", "what only the running program knows"),
        ("return 1 + pointer(n);", "calls where a register points"),
    ],
)
def test_code_that_does_not_tell_has_no_bound(body: str, reason: str, tmp_path: Path) -> None:
    source, elf = tmp_path / "entry.c", tmp_path / "entry.elf"
    source.write_text(f"int (*volatile pointer)(int); int entry(int n) {{ {body} }}")
    built = run_tool(
        "arm-none-eabi-gcc",
        [*CORE_FLAGS[CORE], "-O1", "-nostdlib", "-Wl,-eentry", source, "-o", elf],
    )
    assert built.returncode == 0, built.stderr
    with pytest.raises(BuildError, match=f"the stack has no bound: entry .*{reason}"):
        StackNeeds(read_thumb_code(elf), stated={}, pointers={}).of("entry")

"""NAME.c: straight-line code, one function a layer, and the table that tells a host about it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mcu_nas.compiler.c_text import COLUMNS, c_comment_text, c_initialiser, c_string
from mcu_nas.compiler.emit_header import banner
from mcu_nas.compiler.emit_weights import array_name
from mcu_nas.compiler.generators.generated import GeneratedKernel
from mcu_nas.compiler.kernel_calls import KernelCall
from mcu_nas.compiler.program import Encoding, Program
from mcu_nas.network import op_macs

SCRATCH_ALIGN = 4  # of generated kernels


def emit_model(program: Program) -> str:
    """Text of NAME.c."""
    name = program.name
    includes = "\n".join(f'#include "kernels/{stem}.h"' for stem in sorted(program.kernel_stems()))
    layers = "\n".join(_layer(program, number, call) for number, call in enumerate(program.calls))
    runs = [f"    {_function(n, c)}(bytes);" for n, c in enumerate(program.calls) if not program.is_view(c)]
    body = "\n".join(["    uint8_t *bytes = (uint8_t *)arena;", *runs] if runs else ["    (void)arena;"])
    return f"""\
{banner(program, "the model")}\
#include "{name}.h"

{includes}
#include "{name}_weights.h"

{_prototypes(program)}{layers}
{_accessor(program, "void *", "input", "void *", program.graph.network.inputs)}
{_accessor(program, "const void *", "output", "const void *", program.graph.network.outputs)}
void {name}_run(void *arena) {{
{body}
}}

{_model(program)}"""


def _function(number: int, call: KernelCall) -> str:
    return f"layer_{number:02d}_{call.kernel.stem}"


def _layer(program: Program, number: int, call: KernelCall) -> str:
    """One layer: its comment, its arguments, its function."""
    network, offsets = program.graph.network, program.plan.offsets
    places = [_place(program, tensor) for tensor in (*call.inputs, call.output)]
    title = f"{call.op.tflite_name} {c_comment_text(network.tensors[call.output].name)}"
    if program.is_view(call):
        return f"""\
/* {title}
 * {places[0]} -> {places[1]}: the same memory, nothing to run */
static void {_function(number, call)}(uint8_t *arena) {{
    (void)arena;
}}
"""
    if call.generated is not None:
        return f"""\
/* {title}
 * {", ".join(places[:-1])} -> {places[-1]}{_sizes(program, number, call)} */
static void {_function(number, call)}(uint8_t *arena) {{
{_generated_call(program, number, call.generated)}
}}
"""
    struct = call.kernel.struct
    arguments = f"layer_{number:02d}_arguments"
    names = {member: array_name(program, number, member) for member in call.arrays}
    pointers = {member: name for member, name in names.items() if member not in call.operands}
    pointers_in = [
        names[operand] if isinstance(operand, str) else f"(const int8_t *)(arena + {offsets[operand]})"
        for operand in call.operands
    ]
    written = [offsets[call.output], *_scratch(program, number)]
    pointers_out = [f"(int8_t *)(arena + {offset})" for offset in written]
    declaration = ""
    if call.kernel.input_array:
        declaration, pointers_in = _input_array(pointers_in), ["inputs"]
    body = declaration + _call(f"mcu_{call.kernel.name}", [f"&{arguments}", *pointers_in, *pointers_out])
    return f"""\
/* {title}
 * {", ".join(places[:-1])} -> {places[-1]}{_sizes(program, number, call)} */
static const struct {struct} {arguments} = {{
{c_initialiser({**call.fields, **pointers})}
}};

static void {_function(number, call)}(uint8_t *arena) {{
{body}
}}
"""


def _generated_call(program: Program, number: int, function: GeneratedKernel) -> str:
    """The call of a function of NAME_kernels.S; its scratch, where it has any, begins at a word."""
    call, offsets = program.calls[number], program.plan.offsets
    last = [-(-offset // SCRATCH_ALIGN) * SCRATCH_ALIGN for offset in _scratch(program, number)]
    if function.has_second_input:
        last = [offsets[call.inputs[1]]]
    arguments = [
        f"arena + {offsets[call.inputs[0]]}",
        f"arena + {offsets[call.output]}",
        array_name(program, number, "constants"),
        f"arena + {last[0]}" if last else "0",
    ]
    return _call(function.symbol, arguments)


def _prototypes(program: Program) -> str:
    """The functions of NAME_kernels.S."""
    if not program.generated:
        return ""
    lines = "\n".join(dict.fromkeys(kernel.prototype for kernel in program.generated))
    return f"/* {program.name}_kernels.S */\n{lines}\n\n"


def _sizes(program: Program, number: int, call: KernelCall) -> str:
    """What a layer's comment tells beside shapes and offsets: "; 1,024 MACs; 40 B of constants"."""
    macs = op_macs(program.graph.network, call.op)
    constants = sum(array.nbytes for array in call.arrays.values())
    counts = [f"; {count:,} {of}" for count, of in ((macs, "MACs"), (constants, "B of constants")) if count]
    return "".join([*counts, *(f"; scratch at {offset}" for offset in _scratch(program, number))])


def _scratch(program: Program, number: int) -> list[int]:
    """The arena offset of a layer's scratch memory, where it has any."""
    scratch = program.plan.scratch
    return [scratch[number]] if number in scratch else []


def _input_array(pointers: Sequence[str]) -> str:
    """The declaration of ``inputs``, for a kernel that takes any number of them."""
    lines = "".join(f"        {pointer},\n" for pointer in pointers)
    return f"    const int8_t *const inputs[] = {{\n{lines}    }};\n"


def _call(function: str, arguments: Sequence[str]) -> str:
    """A call as a statement: on one line, or where that is too long an argument a line."""
    line = f"    {function}({', '.join(arguments)});"
    if len(line) <= COLUMNS:
        return line
    separator = ",\n" + " " * (len(function) + 5)
    return f"    {function}({separator.join(arguments)});"


def _place(program: Program, tensor: int) -> str:
    """Shape and offset of an activation, and its format where that is not NHWC."""
    formats = program.plan.formats
    in_format = f" in {formats[tensor].name}" if tensor in formats else ""
    return f"{_shape(program, tensor)}{in_format} at {program.plan.offsets[tensor]}"


def _shape(program: Program, tensor: int) -> str:
    return "x".join(map(str, program.graph.network.shape(tensor)[1:])) or "1"


def _accessor(program: Program, result: str, kind: str, memory: str, tensors: tuple[int, ...]) -> str:
    """NAME_input or NAME_output."""
    byte = result.replace("void", "uint8_t")
    cases = "\n".join(
        f"    case {index}:\n        return ({byte})arena + {program.plan.offsets[tensor]};"
        for index, tensor in enumerate(tensors)
    )
    return f"""\
{result}{program.name}_{kind}({memory}arena, int index) {{
    switch (index) {{
{cases}
    default:
        return 0;
    }}
}}
"""


def _model(program: Program) -> str:
    """The tables and struct mcu_model."""
    graph, name = program.graph, program.name
    network = graph.network
    layers = "\n".join(
        f"    {{{c_string(call.op.tflite_name)}, {_function(number, call)}, {op_macs(network, call.op)}u}},"
        for number, call in enumerate(program.calls)
    )
    label_table = ""
    if graph.labels:
        lines = "\n".join(f"    {c_string(label)}," for label in graph.labels)
        label_table = f"static const char *const labels[{len(graph.labels)}] = {{\n{lines}\n}};\n\n"
    fields = {
        "name": c_string(name),
        "hash": c_string(program.model_hash),
        "arena_bytes": f"{program.macro}_ARENA_BYTES",
        "arena_align": f"{program.macro}_ARENA_ALIGN",
        "input_count": f"{program.macro}_INPUT_COUNT",
        "output_count": f"{program.macro}_OUTPUT_COUNT",
        "layer_count": str(len(program.calls)),
        "label_count": str(len(graph.labels)),
        "inputs": "inputs",
        "outputs": "outputs",
        "layers": "layers",
        "labels": "labels" if graph.labels else "0",
        "run": f"{name}_run",
    }
    return f"""\
{_tensor_table(program, "inputs", network.inputs, program.input_encodings)}
{_tensor_table(program, "outputs", network.outputs, program.output_encodings)}
static const struct mcu_layer layers[{len(program.calls)}] = {{
{layers}
}};

{label_table}const struct mcu_model {name}_model = {{
{c_initialiser(fields)}
}};
"""


def _tensor_table(
    program: Program, table: str, tensors: tuple[int, ...], encodings: tuple[Encoding, ...]
) -> str:
    rows = []
    for tensor, encoding in zip(tensors, encodings, strict=True):
        quantization = program.graph.quantization[tensor]
        fraction, exponent = math.frexp(quantization.scale)
        fields: dict[str, int | str] = {
            "encoding": encoding.macro,
            "offset": program.plan.offsets[tensor],
            "bytes": program.graph.network.tensors[tensor].bytes,
            "zero_point": quantization.zero_point,
            "scale_mantissa": int(fraction * 2**31),  # exact: a float32 has 24 bits
            "scale_shift": 31 - exponent,
        }
        rows.append(f"    {{\n{c_initialiser(fields, '        ')}\n    }},")
    body = "\n".join(rows)
    return f"static const struct mcu_tensor {table}[{len(tensors)}] = {{\n{body}\n}};\n"

"""Each generated kernel on each layer that it serves: instructions, their floor, estimated cycles, memory.

    python -m benchmarks.kernels.run                       # all cases on a Cortex-M7; replaces the results
    python -m benchmarks.kernels.run --core cortex-m4
    python -m benchmarks.kernels.run --case depthwise      # those whose names contain it; the other rows stay
    python -m benchmarks.kernels.run --table               # kernels.md from results.jsonl alone

Two or three minutes on one core. A kernel's outputs must equal those of the portable C before its figures
count. Writes results.jsonl and kernels.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.kernels.arm_function import SIMULATED_CORES
from benchmarks.kernels.cases import Case, cases
from benchmarks.kernels.cycles import MODELLED_CORES, analysed, documented, require_analyser
from benchmarks.kernels.layers import KernelRun, random_inputs, run_kernel, trained_graph, work_of
from benchmarks.kernels.rows import Form, Row, read_rows, write_rows
from benchmarks.kernels.table import write_table
from mcu_nas.compiler.generators.inner_loops import inner_loop_of
from mcu_nas.compiler.program import compile_graph
from mcu_nas.compiler.target import Loads, Target, WeightStorage
from mcu_nas.cores import instruction_set
from mcu_nas.devices.host import HostModel
from mcu_nas.errors import ToolError


def main() -> int:
    """Measures, prints, writes; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", choices=SIMULATED_CORES, default="cortex-m7", help="which to simulate")
    parser.add_argument("--case", default="", help="only cases whose names contain this")
    parser.add_argument("--table", action="store_true", help="measure nothing, write kernels.md")
    options = parser.parse_args()
    every = list(cases())
    order = {case.name: number for number, case in enumerate(every)}
    measured = [case for case in every if options.case in case.name and not options.table]
    anew = {(options.core, case.name) for case in measured}
    rows = [row for row in read_rows() if row.case in order and (row.core, row.case) not in anew]
    try:
        require_analyser()
        for case in measured:
            for row in rows_of(case, options.core):
                print(f"{row.case}  {row.kernel}  {row.per_work(Loads.LDM):.3f} a unit", flush=True)
                rows.append(row)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows.sort(key=lambda row: (SIMULATED_CORES.index(row.core), order[row.case], row.kernel))
    write_rows(rows)
    write_table(every, rows)
    return 0


def rows_of(case: Case, core: str) -> Iterator[Row]:
    """A case with every generated kernel that serves it.

    Raises:
        AssertionError: a kernel's outputs are not those of the portable C.
    """
    network, op = case.network, case.network.ops[0]
    graph, inputs = trained_graph(network), random_inputs(network)
    expected = HostModel(compile_graph(graph, "model", "0" * 16)).run(*inputs).reshape(-1)
    for kernel in case.kernels(Target(instruction_set(core), WeightStorage.WIDE)):
        runs = {loads: run_kernel(graph, kernel, inputs, loads, core) for loads in Loads}
        for run in runs.values():
            assert np.array_equal(run.output.reshape(-1), expected), f"{case.name}, {kernel.name}: differs"
        unit = inner_loop_of(runs[Loads.LDM].assembly).unit
        measured = runs[Loads.LDM]
        yield Row(
            core=core,
            case=case.name,
            kernel=kernel.name,
            work=work_of(network, op, unit),
            unit=unit,
            ldm=_form(measured),
            ldrd=_form(runs[Loads.LDRD]),
            constants_bytes=measured.constants_bytes,
            scratch_bytes=measured.scratch_bytes,
            stack_bytes=measured.stack_bytes,
        )


def _form(run: KernelRun) -> Form:
    loop = inner_loop_of(run.assembly)
    cycles = {core: analysed(loop.instructions, core) / loop.work for core in MODELLED_CORES}
    cycles["cortex-m4 by its manual"] = documented(loop.instructions) / loop.work
    return Form(
        instructions=run.instructions,
        floor=round(loop.floor, 4),
        cycles={name: round(count, 4) for name, count in cycles.items()},
        code_bytes=run.code_bytes,
    )


if __name__ == "__main__":
    sys.exit(main())

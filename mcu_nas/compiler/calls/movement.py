"""Arguments of the kernels that move bytes without changing them: RESHAPE."""

from __future__ import annotations

import math

from mcu_nas.compiler.calls.fields import Arguments
from mcu_nas.graph import Graph
from mcu_nas.operators import Reshape


def reshape(graph: Graph, op: Reshape) -> Arguments:
    """``struct mcu_reshape_s8``."""
    return {"count": math.prod(graph.network.shape(op.outputs[0]))}, {}

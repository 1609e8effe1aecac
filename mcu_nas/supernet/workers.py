"""Work on several images or subnets at once: a thread each, a core each.

Networks this small gain little when one operator is spread over cores, and wait for each other where the
cores are shared. So each piece of work runs on one core, and as many pieces at once as torch was given
threads. The pieces do not depend on that number, hence neither do the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """``function`` of each item, in order; torch's own threads are off meanwhile.

    Modes such as no_grad belong to a thread: ``function`` sets its own.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return [function(item) for item in items]
    torch.set_num_threads(1)
    try:
        return list(_pool(threads).map(function, items))
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "mcu-nas", initializer=torch.set_num_threads, initargs=(1,))


def anchored(parameters: Iterable[Tensor]) -> list[Tensor]:
    """What to hold on to while several threads build graphs on the same parameters.

    PyTorch makes a parameter's gradient accumulator when a graph first needs it, under a lock of the
    parameter, and meanwhile waits for Python's lock (torch 2.13). A thread that enters a Python-defined
    function holds Python's lock while it waits for the parameter's: neither ever goes on. A graph that is
    kept alive keeps the accumulators, so that nobody has to make one. It must not be reached through
    ``grad_fn.next_functions``: an accumulator that Python has seen needs Python's lock again.
    """
    return [parameter.sum() for parameter in parameters if parameter.requires_grad]

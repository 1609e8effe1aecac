"""Threads that train together."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: two threads that lock each other out hold Python's lock, and nothing else runs.
_BOTH_ENTER_ONE_PARAMETER = """
import threading, torch
from mcu_nas.supernet.workers import anchored

class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

parameter = torch.zeros(4, requires_grad=True)
anchors = anchored([parameter])

def python_function():
    for _ in range(30_000):
        Doubled.apply(parameter)

def plain_operator():
    for _ in range(30_000):
        parameter * 1.0

threads = [threading.Thread(target=work) for work in (python_function, plain_operator)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_build_graphs_on_one_parameter_do_not_lock_each_other_out() -> None:
    subprocess.run([sys.executable, "-c", _BOTH_ENTER_ONE_PARAMETER], check=True, timeout=120)

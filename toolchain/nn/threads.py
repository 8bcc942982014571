"""Compiled loops on as many threads as PyTorch has, which leave PyTorch's number of threads as it was."""

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba
import torch

from spikeport.export.compiled import compiled, compiled_parallel


def on_threads(loop: Callable[..., None]) -> Callable[..., None]:
    """Compile a loop over ``numba.prange`` for one thread and for several; both give the same bits.

    The threads that numba starts are OpenMP's, as PyTorch's are: numba sets their number to that of the cores when it
    starts them, and ends a forked process that uses them. So one thread does without them, and of several no more take
    part than PyTorch has: those without work would spin.
    """
    alone, beside = compiled(_again(loop)), compiled_parallel(loop)

    @functools.wraps(loop)
    def run(*arguments: Any) -> None:
        threads = torch.get_num_threads()
        if threads == 1:
            alone(*arguments)
            return
        before = numba.get_num_threads()
        numba.set_num_threads(min(threads, before))
        try:
            beside(*arguments)
        finally:
            numba.set_num_threads(before)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    return run


def _again(loop: Any) -> Callable[..., None]:
    """Return the function under another name: numba keeps compiled code by name and line, whatever the options."""
    made = FunctionType(loop.__code__, loop.__globals__, f"{loop.__name__}_alone", loop.__defaults__, loop.__closure__)
    made.__qualname__ = f"{loop.__qualname__}_alone"
    return made

"""Compiles loops with numba; the code is kept on disk."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compile a function when it is first called, and keep it where a folder can be written.

    It frees Python's lock, so threads run it in parallel.
    """
    return _compiled(loop)


def compiled_parallel(loop: Loop) -> Loop:
    """Compile a function whose loops over ``numba.prange`` run in parallel, otherwise as `compiled` does."""
    return _compiled(loop, parallel=True)


def digest(function: Callable[..., Any]) -> str:
    """Return a text that changes with a function's code and constants; as a free variable it parts kept code."""
    code = function.__code__
    return hashlib.sha256(repr((code.co_code, code.co_consts, code.co_names)).encode()).hexdigest()


def _compiled(loop: Loop, **options: Any) -> Loop:
    try:
        fast: Any = numba.njit(nogil=True, cache=True, error_model="numpy", **options)(loop)
    except RuntimeError:  # neither the package's folder nor the user's takes a cache
        fast = numba.njit(nogil=True, error_model="numpy", **options)(loop)
    return cast("Loop", fast)

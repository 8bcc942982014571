"""Compiles loops with numba; the code is kept on disk."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Loop:
    """Compile a function when it is first called, and keep it where a folder can be written.

    It frees Python's lock, so threads run it in parallel.
    """
    try:
        fast: Any = numba.njit(nogil=True, cache=True, error_model="numpy")(loop)
    except RuntimeError:  # neither the package's folder nor the user's takes a cache
        fast = numba.njit(nogil=True, error_model="numpy")(loop)
    return cast("Loop", fast)

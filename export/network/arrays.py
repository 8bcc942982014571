"""Arrays and shapes of a network: read-only, with a dtype of their own."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""What a population may be called: it becomes a name in files of every format."""
Shape = tuple[int, ...]
Pair = tuple[int, int]


def frozen_array(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Array:
    """Return a read-only array of its own."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def broadcasts(shape: Shape, target: Shape) -> bool:
    """Return whether a parameter of ``shape`` broadcasts to ``target`` without making it larger."""
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def set_fields(instance: object, **values: Any) -> None:
    """Set fields of a frozen dataclass while it is made."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)

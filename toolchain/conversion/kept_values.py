"""Values of layers over time, kept within a budget of memory and beyond it in a file without a name."""

import tempfile
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from spikeport.export.errors import OutputError

MEMORY = 2**30
"""Bytes that are kept in memory unless the caller says otherwise."""


class Room:
    """Makes `Kept` values: in memory up to ``memory`` bytes, the others in the system's folder for temporary files.

    It is a context manager, at whose end all are freed.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self.left = memory
        self._made: list[Kept] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for kept in self._made:
            kept.free()

    def keep(self, steps: int, shape: tuple[int, ...], dtype: torch.dtype) -> "Kept":
        """Return room for (steps, *shape) values: ``torch.bool`` takes a bit each, floats their size."""
        kept = Kept(self, steps, shape, dtype)
        self._made.append(kept)
        return kept


class Kept:
    """Values (steps, *shape) that are written and read some steps at a time."""

    def __init__(self, room: Room, steps: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.steps, self.shape, self.dtype = steps, shape, dtype
        count = int(np.prod(shape))
        self._width = -(-count // 8) if dtype == torch.bool else count * dtype.itemsize
        size = steps * self._width
        self._room, self._taken = room, size if size <= room.left else 0
        room.left -= self._taken
        self._memory = np.empty(size, np.uint8) if self._taken == size else None
        self._file: Any = None if self._memory is not None else tempfile.TemporaryFile()  # noqa: SIM115 - lives on

    def write(self, first: int, values: Tensor) -> None:
        """Write the steps from ``first`` on."""
        array = values.detach().cpu().contiguous().numpy().reshape(len(values), -1)
        data = np.packbits(array.astype(bool), axis=1) if self.dtype == torch.bool else array.view(np.uint8)
        place = first * self._width
        if self._memory is not None:
            self._memory[place : place + data.size] = data.ravel()
            return
        try:
            self._file.seek(place)
            self._file.write(data.data)
        except OSError as error:
            raise OutputError(
                f"no room for {self.steps * self._width / 2**30:.1f} GiB of a layer's values in "
                f"{tempfile.gettempdir()} ({error.strerror}); calibrate with fewer batches or steps, or set TMPDIR"
            ) from None

    def read(self, first: int, last: int, dtype: torch.dtype) -> Tensor:
        """Return the steps ``first`` to ``last`` (without it) in ``dtype``; a held value has one step for all."""
        first, last = (0, 1) if self.steps == 1 else (first, last)
        place, size = first * self._width, (last - first) * self._width
        if self._memory is not None:
            data = self._memory[place : place + size]
        else:
            self._file.seek(place)
            data = np.frombuffer(bytearray(self._file.read(size)), np.uint8)
        if self.dtype == torch.bool:
            count = int(np.prod(self.shape))
            bits = np.unpackbits(data.reshape(last - first, -1), axis=1, count=count)
            return torch.from_numpy(bits).to(dtype).view(last - first, *self.shape)
        return torch.frombuffer(data, dtype=self.dtype).view(last - first, *self.shape)

    def free(self) -> None:
        """Give memory and file back."""
        self._room.left += self._taken
        self._taken, self._memory = 0, None
        if self._file is not None:
            self._file.close()

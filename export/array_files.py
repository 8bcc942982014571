"""Arrays that are written row by row into one .npz, so that memory holds a few rows whatever the file's size is."""

import math
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spikeport.export.files import atomic
from spikeport.export.network import Array


@dataclass(frozen=True, kw_only=True)
class Rows:
    """An array of the file: ``shape`` with all rows, and the type of its numbers."""

    shape: tuple[int, ...]
    kind: npt.DTypeLike

    @property
    def bytes(self) -> int:
        """The bytes of all numbers."""
        return math.prod(self.shape) * np.dtype(self.kind).itemsize


class ArrayFile:
    """An .npz in the making: `append` adds rows to an array, in order."""

    def __init__(self, files: Mapping[str, BinaryIO], arrays: Mapping[str, Rows]) -> None:
        self._files, self._arrays = files, arrays
        for name, rows in arrays.items():
            header = {"descr": np.dtype(rows.kind).str, "fortran_order": False, "shape": rows.shape}
            np.lib.format.write_array_header_1_0(files[name], header)

    def append(self, name: str, values: Array) -> None:
        """Add rows, (rows, ...) of the array's shape, to an array."""
        self._files[name].write(np.ascontiguousarray(values, self._arrays[name].kind).tobytes())


@contextmanager
def array_file(path: Path, arrays: Mapping[str, Rows]) -> Iterator[ArrayFile]:
    """Yield the .npz of ``arrays`` to be filled; it stands at ``path`` once the block has ended without an error.

    The rows lie beside the file, uncompressed, until then. Raises `OutputError` where space or permission are missing.
    """
    with atomic(path, size=sum(rows.bytes for rows in arrays.values())) as draft:
        places = {name: draft.parent / f"rows-{number}" for number, name in enumerate(arrays)}
        with ExitStack() as held:
            files = {name: held.enter_context(place.open("wb")) for name, place in places.items()}
            yield ArrayFile(files, arrays)
        with zipfile.ZipFile(draft, "w") as archive:
            for name, place in places.items():
                entry = zipfile.ZipInfo(f"{name}.npy")
                entry.compress_type = zipfile.ZIP_DEFLATED
                with place.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 2**20)
                place.unlink()

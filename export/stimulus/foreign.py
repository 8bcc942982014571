"""Reads .aedat4 files in a process of its own: `spikeport.export.isolated` starts it.

The library is aedat, which tonic reads them with, too. Arrays of numbers are handed over by the file's number and their
names; `spikeport.toolchain.tensor_files` does the same for .pt files.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from spikeport.export import isolated
from spikeport.export.errors import FormatError, one_line
from spikeport.export.inputs import Budget, room
from spikeport.export.network import Array

Named = dict[str, Array]


def aedat4(path: Path, budget: Budget) -> Named:
    """Return the columns of the first stream of events."""
    import aedat  # noqa: PLC0415 - an extra

    decoder = aedat.Decoder(str(path))
    streams = sorted(number for number, stream in decoder.id_to_stream().items() if stream["type"] == "events")
    if not streams:
        raise FormatError("it holds no stream of events")
    packets = []
    for packet in decoder:
        if packet["stream_id"] == streams[0]:
            budget.take(32 * len(packet["events"]), "its events")
            packets.append(packet["events"])
    if not packets:
        raise FormatError("its stream of events is empty")
    events = np.concatenate(packets)
    return {name: np.ascontiguousarray(events[name]) for name in events.dtype.names or ()}


def handing_over(reader: Callable[[Path, Budget], Named]) -> isolated.Reader:
    """Return what reads files and writes their arrays, each named by the number of its file and its own name."""

    def read(paths: list[Path], out: Path) -> None:
        arrays = {}
        for number, path in enumerate(paths):
            try:
                found = reader(path, Budget(room(path.stat().st_size)))
            except (FormatError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - libraries raise errors of every kind on damaged files
                raise FormatError(f"{path.name}: damaged ({type(error).__name__}: {one_line(error)})") from None
            arrays.update({f"{number} {name}": value for name, value in found.items()})
        save_file(
            {name: np.array(value, value.dtype.newbyteorder("<"), order="C") for name, value in arrays.items()}, out
        )

    return read


_read_here = handing_over(aedat4)

if __name__ == "__main__":
    __import__("aedat")  # before memory is limited
    sys.exit(isolated.serve(_read_here, sys.argv[1:]))

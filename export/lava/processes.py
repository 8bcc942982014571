"""Recorders as Lava processes; they run in the worker's environment (Python 3.10, lava-nc 0.10.0).

Stock sinks are read back element by element, about 20 microseconds each; these write every step to a file.
"""

from pathlib import Path

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


def c_order(values):
    """Turn Lava's (W, H, C) into (C, H, W); one axis stays."""
    return values.transpose(2, 1, 0) if values.ndim == 3 else values


class SpikeRecorder(AbstractProcess):
    """Append one row of packed bits per step to ``path``, ``count`` steps from step ``first`` (counted from 1)."""

    def __init__(self, *, shape, path, first, count):
        super().__init__(shape=shape, path=path, first=first, count=count)
        self.a_in = InPort(shape=shape)


class PotentialRecorder(AbstractProcess):
    """Append one row of int32 potentials per step to ``path``, ``count`` steps from step ``first``."""

    def __init__(self, *, shape, path, first, count):
        super().__init__(shape=shape, path=path, first=first, count=count)
        self.potential = RefPort(shape=shape)


class _Appender(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.first, self.end = proc_params["first"], proc_params["first"] + proc_params["count"]
        self.file = Path(proc_params["path"]).open("wb", buffering=0)  # noqa: SIM115 - open while the process lives

    def append(self, row):
        if self.first <= self.time_step < self.end:
            self.file.write(row.tobytes())


@implements(proc=SpikeRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySpikeRecorder(_Appender):
    """Receive spikes in the step in which they are sent."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def run_spk(self):
        """Record the spikes of this step."""
        self.append(np.packbits(c_order(self.a_in.recv()).astype(bool).reshape(-1)))


@implements(proc=PotentialRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPotentialRecorder(_Appender):
    """Read the potential after all neurons have done the step."""

    potential: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def post_guard(self):
        """Ask for the phase after the spikes."""
        return True

    def run_post_mgmt(self):
        """Record the potential of this step."""
        self.append(c_order(self.potential.read()).astype("<i4").reshape(-1))

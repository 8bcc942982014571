"""Lava processes of our own; they run in the worker's environment (Python 3.10, lava-nc 0.10.0).

Recorders write every step to a file; stock sinks are read back element by element, about 20 microseconds each.
`ResetNeuron` is the neuron of `spikeport.export.executors.reference` where Lava's stock neurons cannot express it:
subtractive reset, reset to a value, a floor, decays of 0 and 4096, firing at the threshold, and rest between samples
while delayed spikes are still on their way. `DelayLine` delays spikes.
"""

import os
from pathlib import Path

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from spikeport.export.fixed_point import ACTIVATION_SHIFT, decayed, saturated_potential, wrapped_current


def c_order(values):
    """Turn Lava's (W, H, C) into (C, H, W); one axis stays."""
    return values.transpose(2, 1, 0) if values.ndim == 3 else values


class SpikeRecorder(AbstractProcess):
    """Append one row of packed bits per recorded step to ``path``: ``steps`` of every ``period``, from ``first``."""

    def __init__(self, *, shape, path, first, steps, period, samples):
        super().__init__(shape=shape, path=path, first=first, steps=steps, period=period, samples=samples)
        self.a_in = InPort(shape=shape)


class PotentialRecorder(AbstractProcess):
    """Append one row of int32 potentials per recorded step to ``path``, as `SpikeRecorder` does."""

    def __init__(self, *, shape, path, first, steps, period, samples):
        super().__init__(shape=shape, path=path, first=first, steps=steps, period=period, samples=samples)
        self.potential = RefPort(shape=shape)


class ResetNeuron(AbstractProcess):
    """Leaky integrate-and-fire neurons that start a sample every ``period`` steps, from step ``first``.

    They integrate for ``steps`` steps; for the others they are silent and their state is zero. ``threshold`` None never
    fires; ``reset_by`` None sets the potential to ``reset_to``; ``floor`` None leaves it as low as it gets. Fixed
    point: all numbers as in `IntegerNeuron`, but the bias is shifted and ``threshold`` is the potential above which
    they fire; ``biases`` (samples, *shape) stand in for ``bias`` in the steps of a sample. Floating point: as in
    `FloatNeuron`, ``du`` and ``dv`` in [0, 1], ``v >= threshold`` fires.
    """

    def __init__(
        self,
        *,
        shape,
        first,
        steps,
        period,
        du,
        dv,
        bias,
        threshold,
        reset_to=0,
        reset_by=None,
        floor=None,
        biases=None,
        name=None,
    ):
        settings = {
            "du": du,
            "dv": dv,
            "bias": bias,
            "threshold": threshold,
            "reset_to": reset_to,
            "reset_by": reset_by,
            "floor": floor,
        }
        timing = {"first": first, "steps": steps, "period": period}
        super().__init__(shape=shape, **timing, settings=settings, biases=biases, name=name)
        self.a_in, self.s_out = InPort(shape=shape), OutPort(shape=shape)
        self.u, self.v = Var(shape=shape, init=0), Var(shape=shape, init=0)


class BiasWriter(AbstractProcess):
    """Write the biases of a sample, mantissas and exponents (samples, *shape), into the registers of a population.

    Sample n, from 0, is written at the end of step ``before + n period``.
    """

    def __init__(self, *, shape, before, period, mantissa, exponent):
        super().__init__(shape=shape, before=before, period=period, tables=(mantissa, exponent))
        self.mantissa, self.exponent = RefPort(shape=shape), RefPort(shape=shape)


class DelayLine(AbstractProcess):
    """Send what arrives ``delay`` steps later."""

    def __init__(self, *, shape, delay):
        super().__init__(shape=shape, delay=delay)
        self.a_in, self.s_out = InPort(shape=shape), OutPort(shape=shape)


class _Timed(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.first, self.steps, self.period = (proc_params[key] for key in ("first", "steps", "period"))

    def place(self):
        """Return the sample of this Lava step and the step within it; both may lie outside the run."""
        return divmod(self.time_step - self.first, self.period)


class _Appender(_Timed):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.samples = proc_params["samples"]
        self.file = Path(proc_params["path"]).open("wb", buffering=0)  # noqa: SIM115 - open while the process lives

    def append(self, row):
        """Write a row where this step is one of a sample."""
        sample, step = self.place()
        if 0 <= sample < self.samples and step < self.steps:
            try:
                self.file.write(row.tobytes())
            except OSError as error:  # Lava reports that a process failed, not why
                os.write(2, f"\nOSError: the trace cannot be written: {error.strerror}\n".encode())
                raise


@implements(proc=SpikeRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
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


@implements(proc=BiasWriter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyBiasWriter(PyLoihiProcessModel):
    """Write once per sample, after all neurons have done the step before it."""

    mantissa: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    exponent: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.before, self.period, self.tables = (proc_params[key] for key in ("before", "period", "tables"))

    def post_guard(self):
        """Ask for the phase after the spikes, in the steps before samples."""
        sample, late = divmod(self.time_step - self.before, self.period)
        return late == 0 and 0 <= sample < len(self.tables[0])

    def run_post_mgmt(self):
        """Write the biases of the sample that comes next."""
        sample = (self.time_step - self.before) // self.period
        for port, table in zip((self.mantissa, self.exponent), self.tables, strict=True):
            port.write(table[sample].astype(np.int32))
            port.wait()


class _Neuron(_Timed):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.settings, self.biases = proc_params["settings"], proc_params["biases"]

    def run_spk(self):
        """Advance by one step and send the spikes."""
        activation = self.a_in.recv()
        sample, step = self.place()
        if sample < 0 or step >= self.steps:
            self.u, self.v = np.zeros_like(self.u), np.zeros_like(self.v)
            self.s_out.send(np.zeros(self.v.shape, np.int32))
            return
        if step == 0:
            self.u, self.v = np.zeros_like(self.u), np.zeros_like(self.v)
            if self.biases is not None and sample < len(self.biases):
                self.settings = {**self.settings, "bias": self.biases[sample]}
        self.s_out.send(self.advance(activation, **self.settings).astype(np.int32))


@implements(proc=ResetNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyResetNeuronFixed(_Neuron):
    """The definition's arithmetic: 24-bit current that wraps, potential that saturates."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    u: np.ndarray = LavaPyType(np.ndarray, np.int64)
    v: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def advance(self, activation, *, du, dv, bias, threshold, reset_to, reset_by, floor):
        """Return the spikes of one step."""
        arriving = activation.astype(np.int64) << ACTIVATION_SHIFT
        self.u = wrapped_current(decayed(self.u, du) + arriving)
        self.v = saturated_potential(decayed(self.v, dv) + self.u + bias)
        spikes = np.zeros(self.v.shape, bool) if threshold is None else self.v > threshold
        after = reset_to << ACTIVATION_SHIFT if reset_by is None else self.v - (reset_by << ACTIVATION_SHIFT)
        self.v = np.where(spikes, after, self.v)
        if floor is not None:
            self.v = np.maximum(self.v, floor << ACTIVATION_SHIFT)
        return spikes


@implements(proc=ResetNeuron, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyResetNeuronFloat(_Neuron):
    """The same neuron in real numbers."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    u: np.ndarray = LavaPyType(np.ndarray, float)
    v: np.ndarray = LavaPyType(np.ndarray, float)

    def advance(self, activation, *, du, dv, bias, threshold, reset_to, reset_by, floor):
        """Return the spikes of one step."""
        self.u = self.u * (1 - du) + activation
        self.v = self.v * (1 - dv) + self.u + bias
        spikes = np.zeros(self.v.shape, bool) if threshold is None else self.v >= threshold
        self.v = np.where(spikes, reset_to if reset_by is None else self.v - reset_by, self.v)
        if floor is not None:
            self.v = np.maximum(self.v, floor)
        return spikes


@implements(proc=DelayLine, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
class PyDelayLine(PyLoihiProcessModel):
    """Keep the last ``delay`` steps."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.waiting = [np.zeros(proc_params["shape"], np.int32) for _ in range(proc_params["delay"])]

    def run_spk(self):
        """Take this step's values in and send the oldest."""
        self.waiting.append(self.a_in.recv())
        self.s_out.send(self.waiting.pop(0))

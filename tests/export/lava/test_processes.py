"""Our own neuron in Lava's floating-point form gives the float executor's spikes; the fixed form has its own tests."""

import os
import shutil
import subprocess

import numpy as np
import pytest

from spikeport.export.children import PACKAGE
from spikeport.export.executors import floating
from spikeport.export.lava import environment, job
from spikeport.export.network import FloatNeuron, FloatPopulation

pytestmark = pytest.mark.lava
STEPS, SAMPLES, NEURONS, PAUSE = 12, 3, 8, 2
IN_LAVA = """
import sys
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer
from spikeport.export.lava.processes import ResetNeuron, SpikeRecorder

folder = sys.argv[1]
with np.load(folder + "/case.npz") as file:
    case = {name: file[name] for name in file if name not in ("arriving", "pause")}
    arriving, pause = file["arriving"], int(file["pause"])
samples, steps, neurons = arriving.shape
period = steps + pause
case = {name: None if np.isnan(value).any() else value for name, value in case.items()}
line = np.pad(arriving, ((0, 0), (0, pause), (0, 0)), constant_values=9.0).reshape(samples * period, neurons)
source = RingBuffer(data=line.T.copy())
population = ResetNeuron(shape=(neurons,), first=1, steps=steps, period=period, **case)
path = folder + "/spikes"
recorder = SpikeRecorder(shape=(neurons,), path=path, first=1, steps=steps, period=period, samples=samples)
source.s_out.connect(population.a_in)
population.s_out.connect(recorder.a_in)
population.run(condition=RunSteps(num_steps=samples * period), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
population.stop()
"""


def spikes_in_lava(folder, neuron, arriving):
    """Return (N, T, neurons) spikes of `ResetNeuron` in floating point; what arrives in the pause must not count."""
    case = {
        "du": neuron.decay_current,
        "dv": neuron.decay_potential,
        "bias": neuron.bias,
        "threshold": np.nan if neuron.threshold is None else neuron.threshold,
        "reset_to": neuron.reset_to,
        "reset_by": np.nan if neuron.reset_by is None else neuron.reset_by,
    }
    np.savez(folder / "case.npz", arriving=arriving, pause=PAUSE, **case)
    command = [str(environment.python()), "-c", IN_LAVA, str(folder)]
    for module in job.WORKER_MODULES:  # Lava imports every file beside the process
        target = folder / "spikeport" / f"{module}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / f"{module}.py", target)
    variables = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run(command, check=True, env=variables, timeout=120, capture_output=True)
    packed = np.frombuffer((folder / "spikes").read_bytes(), np.uint8).reshape(SAMPLES, STEPS, -1)
    return np.unpackbits(packed, axis=-1, count=NEURONS).astype(bool)


@pytest.mark.parametrize(
    "neuron",
    [
        FloatNeuron(threshold=np.array(1.0)),
        FloatNeuron(threshold=np.array(1.0), reset_by=np.array(0.75), bias=np.array(0.125)),
        FloatNeuron(
            threshold=np.linspace(0.5, 2.25, NEURONS),
            reset_to=np.array(-0.5),
            decay_current=np.array(0.5),
            decay_potential=np.array(0.25),
        ),
        FloatNeuron(threshold=None),
    ],
    ids=["zero", "subtract", "value, leaks", "silent"],
)
def test_floating_point_form_equals_the_float_executor(tmp_path, neuron):
    arriving = np.random.default_rng(0).integers(-6, 9, (SAMPLES, STEPS, NEURONS)) / 8
    state = floating.State.at_rest(FloatPopulation(name="a", shape=(NEURONS,), neuron=neuron), SAMPLES)
    expected = np.stack([floating.advance(state, arriving[:, step], neuron) for step in range(STEPS)], axis=1)
    found = spikes_in_lava(tmp_path, neuron, arriving)
    if neuron.threshold is None:
        assert not found.any()
    else:
        assert expected.any()
        assert np.array_equal(found, expected)

"""Record what Lava's own LIF neurons do at the ends of their registers: run with the Lava environment's Python.

Usage, from the project's root: ``PYTHONPATH=src $LAVA/bin/python tests/oracles/golden/neurons_in_lava.py``.
Writes neurons.npz beside this file: per case the parameters, the activations (steps, neurons) and Lava's u, v and
spikes after every step. The states are steered beside threshold, wrap and saturation by the activations drawn.
"""

import tempfile
from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIFReset

from spikeport.export.lava.processes import PotentialRecorder, SpikeRecorder

STEPS, NEURONS, RESET = 40, 32, 20
CASES = (
    {"du": 4095, "dv": 0, "vth": 100, "bias_mant": 0, "bias_exp": 0},
    {"du": 4095, "dv": 0, "vth": 2**17 - 1, "bias_mant": 4095, "bias_exp": 7},
    {"du": 4095, "dv": 0, "vth": 0, "bias_mant": -3, "bias_exp": 2},
    {"du": 1000, "dv": 500, "vth": 90000, "bias_mant": -4096, "bias_exp": 0},
    {"du": 0, "dv": 1, "vth": 131071, "bias_mant": 7, "bias_exp": 3},
    {"du": 4094, "dv": 4095, "vth": 5, "bias_mant": 64, "bias_exp": 0},
)


def activations(case, rng):
    """Draw activations near the threshold, near the wrap at 2**17, and beyond it."""
    kind = rng.integers(0, 4, (STEPS, NEURONS))
    near_threshold = case["vth"] // rng.integers(1, 5, kind.shape) + rng.integers(-1, 2, kind.shape)
    near_wrap = rng.choice([-1, 1], kind.shape) * 2**17 + rng.integers(-2, 3, kind.shape)
    anything = rng.integers(-(2**18), 2**18, kind.shape)
    small = rng.integers(-3, 4, kind.shape)
    return np.choose(kind, [near_threshold, near_wrap, anything, small]).astype(np.int32)


def run(case, arriving, folder):
    """Return u, v and spikes of one population in Lava."""
    source = RingBuffer(data=arriving.T.copy())
    neurons = LIFReset(shape=(NEURONS,), reset_interval=RESET, reset_offset=1, **case)
    source.s_out.connect(neurons.a_in)
    place = {"shape": (NEURONS,), "first": 1, "steps": STEPS, "period": STEPS, "samples": 1}
    PotentialRecorder(path=str(folder / "u"), **place).potential.connect_var(neurons.u)
    PotentialRecorder(path=str(folder / "v"), **place).potential.connect_var(neurons.v)
    neurons.s_out.connect(SpikeRecorder(path=str(folder / "s"), **place).a_in)
    neurons.run(condition=RunSteps(num_steps=STEPS), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    neurons.stop()
    u, v = (np.fromfile(folder / name, "<i4").reshape(STEPS, NEURONS) for name in "uv")
    spikes = np.unpackbits(np.fromfile(folder / "s", np.uint8).reshape(STEPS, -1), axis=1, count=NEURONS)
    return u, v, spikes


def main():
    """Run all cases and write them."""
    rng = np.random.default_rng(7)
    recorded = {"reset_interval": RESET, "parameters": np.array([list(case.values()) for case in CASES])}
    for index, case in enumerate(CASES):
        arriving = activations(case, rng)
        with tempfile.TemporaryDirectory() as folder:
            u, v, spikes = run(case, arriving, Path(folder))
        recorded |= {f"a{index}": arriving, f"u{index}": u, f"v{index}": v, f"s{index}": spikes}
    np.savez_compressed(Path(__file__).with_name("neurons.npz"), **recorded)


if __name__ == "__main__":
    main()

"""Estimates from sizes alone: memory within a factor of 2, time within a wide one on a busy machine."""

import json
import subprocess
import sys

import numpy as np
import pytest

from spikeport.export.estimates import rough
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus

RUN = """
import json, resource, sys, time
import numpy as np
from spikeport.export import estimates, simulation
from spikeport.export.executors import fast
from spikeport.export.network import *
from spikeport.export.stimulus import random_stimulus

def network(shapes, *synapses):
    neuron = IntegerNeuron(threshold=50, bias_mantissa=0)
    names = [f"p{index}" for index in range(len(shapes))]
    neurons = [Source(levels=1), *[neuron] * len(synapses)]
    populations = [IntegerPopulation(name=n, shape=s, neuron=x) for n, s, x in zip(names, shapes, neurons)]
    projections = [IntegerProjection(source=names[i], target=names[i + 1], synapses=s) for i, s in enumerate(synapses)]
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=4)

rng = np.random.default_rng(0)
def weight(*shape):
    return rng.integers(-3, 4, shape, dtype=np.int8)

kind, samples = sys.argv[1], int(sys.argv[2])
side = 300
kernel = Convolution(weight=weight(8, 1, 3, 3), padding=(1, 1))
made = {
    "dense": lambda: network([(4000,), (4000,)], Dense(weight=weight(4000, 4000))),
    "image": lambda: network([(1, side, side), (8, side, side)], kernel),
}[kind]()
small = network([(4,), (4,)], Dense(weight=weight(4, 4)))
simulation.simulate(small, random_stimulus(small, 1, 0), executor="fast")
stimulus = random_stimulus(made, samples, 0)
found = estimates.rough(made, stimulus, block=fast.BLOCK)
started = time.process_time()
simulation.simulate(made, stimulus, executor="fast")
print(json.dumps([found.memory, estimates.resident(), found.seconds, time.process_time() - started]))
"""


@pytest.mark.parametrize(
    ("kind", "samples"),
    [
        ("dense", 200),
        ("image", 1),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("dense", 1), ("image", 40))),
    ],
)
def test_memory_and_processor_time_are_as_large_as_said(kind, samples):
    done = subprocess.run(
        [sys.executable, "-c", RUN, kind, str(samples)], capture_output=True, text=True, check=True, timeout=300
    )
    memory, taken, seconds, spent = json.loads(done.stdout)
    assert taken / 2 < memory < 2 * taken
    assert spent / 6 < seconds + 0.5
    assert seconds / 6 < spent + 0.5


def test_estimate_grows_with_all_that_costs():
    network = small_network()
    few, many = (rough(network, random_stimulus(network, samples, 0), block=8) for samples in (1, 1000))
    assert few.seconds < many.seconds
    assert 1000 * few.operations == pytest.approx(many.operations, rel=0.01)
    assert many.memory - few.memory < 1e6
    assert few.sentence(1).startswith("1 image on this machine: roughly 0 s, ")
    assert np.isfinite(many.seconds)

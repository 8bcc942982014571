"""Record every state of the cases in brian2_loihi.

Usage: python record_brian2_loihi.py FOLDER OUTFILE

FOLDER is what `write_cases.py` made. brian2_loihi gives all neurons of a group one threshold and one pair of decays, so
a population is as many groups as it has different ones. It has no bias: one of whole activation units, at neurons whose
current keeps nothing, is written as synapses from inputs that fire in every step from the population's start on, and
taken off the recorded current again; cases with another bias are left out. A generator's spike arrives in its own step,
a neuron's in the next.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import brian2
import numpy as np
from brian2_loihi import (
    LoihiNetwork,
    LoihiNeuronGroup,
    LoihiSpikeGeneratorGroup,
    LoihiSpikeMonitor,
    LoihiStateMonitor,
    LoihiSynapses,
    synapse_sign_mode,
)
from chip import cases, digest, kept, load, synapses

MODES = {name: getattr(synapse_sign_mode, name.upper()) for name in ("mixed", "excitatory", "inhibitory")}


def main(folder: Path, outfile: Path) -> None:
    """Record every case that brian2_loihi can say."""
    brian2.prefs.codegen.target = "numpy"
    found = {"tool": np.array(f"brian2_loihi {version('brian2-loihi')}, brian2 {version('brian2')}")}
    for name, path in cases(folder):
        chip = load(path)
        if not all(has_bias(each) for each in chip.neurons):
            continue
        states = kept(*run(chip))
        found[f"{name}/case"] = np.array(digest(path))
        found |= {f"{name}/{key}": values for key, values in states.items()}
    np.savez_compressed(outfile, **found)


def bias(population):
    """Return the biases in potential units."""
    return population.registers["bias_mantissa"].astype(np.int64) << population.registers["bias_exponent"]


def has_bias(population):
    """Return whether the bias can be written as synapses."""
    values, keeps = bias(population), population.registers["decay_u"] != 4095
    return not (values % 64).any() and not values[keeps].any()


def run(chip):
    """Return current, potential and spikes, (steps, neurons), each population from its start on."""
    steps, objects = chip.steps + chip.last_start, []
    groups = {each.name: neurons(each) for each in chip.neurons}
    groups[chip.source.name] = [(np.arange(chip.source.size), generator(chip.spikes, first=1))]
    for projection in chip.projections:
        objects += connected(projection, chip, groups)
    for each in chip.neurons:
        objects += biases(each, groups[each.name], steps)
    monitors = {each.name: [watched(group) for _, group in groups[each.name]] for each in chip.neurons}
    made = [group for pairs in groups.values() for _, group in pairs]
    watching = [monitor for found in monitors.values() for three in found for monitor in three]
    LoihiNetwork(*made, *objects, *watching).run(steps)
    parts = [gathered(chip, each, groups[each.name], monitors[each.name]) for each in chip.neurons]
    return np.concatenate(parts, axis=2)


def neurons(population):
    """Return groups of neurons with the same numbers, each with the places of its neurons in the population."""
    names = ("threshold_mantissa", "decay_u", "decay_v")
    table = np.stack([population.registers[name] for name in names], axis=1)
    kinds, which = np.unique(table, axis=0, return_inverse=True)
    return [
        (
            np.flatnonzero(which.reshape(-1) == index),
            LoihiNeuronGroup(
                int((which.reshape(-1) == index).sum()),
                refractory=1,
                threshold_v_mant=int(threshold),
                decay_I=int(decay_u) + 1,
                decay_v=int(decay_v),
            ),
        )
        for index, (threshold, decay_u, decay_v) in enumerate(kinds)
    ]


def generator(spikes, *, first):
    """Return a generator of ``spikes`` (steps, neurons) whose row 0 arrives in step ``first``."""
    times, indices = np.nonzero(spikes)
    return LoihiSpikeGeneratorGroup(spikes.shape[1], indices, times + first)


def connected(projection, chip, groups):
    """Return the synapses of a projection, a set for each pair of groups."""
    shape = chip.populations[projection.source].shape
    sources, targets, mantissas = synapses(projection, projection.mantissa, shape)
    numbers = {"w_exp": projection.weight_exponent, "num_weight_bits": projection.weight_bits}
    numbers |= {"sign_mode": MODES[projection.sign_mode], "delay": projection.delay}
    made = []
    for here, source in groups[projection.source]:
        for there, target in groups[projection.target]:
            chosen = np.isin(sources, here) & np.isin(targets, there)
            if chosen.any():
                ends = np.searchsorted(here, sources[chosen]), np.searchsorted(there, targets[chosen])
                made.append(joined(source, target, *ends, mantissas[chosen], numbers))
    return made


def joined(source, target, sources, targets, mantissas, numbers):
    """Return synapses between two groups; what brian2_loihi makes of a mantissa must be its weight."""
    made = LoihiSynapses(source, target, **numbers)
    made.connect(i=sources, j=targets)
    made.w = mantissas.astype(np.int64)
    return made


def biases(population, groups, steps):
    """Return inputs that fire in every step from the start on, and synapses that carry the biases."""
    units, made = bias(population) >> 6, []
    for sign, mode, exponent in (
        (1, "excitatory", 0),
        (1, "excitatory", 7),
        (-1, "inhibitory", 0),
        (-1, "inhibitory", 7),
    ):
        parts = np.maximum(sign * units, 0)
        parts = sign * (parts >> 7 if exponent else parts & 127)
        for there, target in groups:
            chosen = np.flatnonzero(parts[there])
            if len(chosen):
                always = generator(np.ones((steps - population.start, 1)), first=population.start)
                numbers = {"w_exp": exponent, "sign_mode": MODES[mode]}
                made += [always, joined(always, target, np.zeros_like(chosen), chosen, parts[there][chosen], numbers)]
    return made


def watched(group):
    """Return the monitors of a group: current, potential, spikes."""
    return LoihiStateMonitor(group, "I"), LoihiStateMonitor(group, "v"), LoihiSpikeMonitor(group)


def gathered(chip, population, groups, monitors):
    """Return the states of a population, (3, steps, neurons)."""
    states = np.zeros((3, chip.steps + chip.last_start, population.size))
    for (places, _), (current, potential, spikes) in zip(groups, monitors, strict=True):
        states[0][:, places], states[1][:, places] = np.array(current.I).T, np.array(potential.v).T
        times = np.rint(np.array(spikes.t_ / 1e-3)).astype(int)
        states[2][times, places[np.array(spikes.i)]] = 1
    if not np.array_equal(states, np.rint(states)):
        raise ValueError(f"{population.name}: a state is no whole number")
    states = states[:, population.start : population.start + chip.steps].astype(np.int64)
    states[0] -= bias(population)  # which came through the current
    return states


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

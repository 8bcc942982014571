"""Flips of rounding against whole traces, and what is refused before anything runs."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import NetworkError, QuantizationError
from spikeport.export.executors import floating, reference
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.trace import predicted, record
from spikeport.toolchain.analysis.thresholds.deployed import lowered, rounded
from spikeport.toolchain.analysis.thresholds.figures import FLOAT
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.robustness.deployed import Deployed
from tests.toolchain.analysis.thresholds.small import images, small


def test_flips_are_the_differences_of_both_traces_and_classes_those_of_the_executors():
    model, (pixels, labels) = small(), images(7)
    networks = lowered(model, (8, 3), {})
    first, eight, three = rounded(networks, pixels, labels, (1, 8))
    stimulus = Deployed(networks.network).stimulus(pixels)
    expected = record(floating.steps(networks.network, stimulus))
    classes = predicted(networks.network, stimulus, floating.steps)
    assert (first.name, first.flips, first.total, first.changed) == (FLOAT, {}, None, None)
    assert first.accuracy.value == pytest.approx(np.mean(classes == labels.numpy()))
    for found, integer in ((eight, networks.integers["8 bits"]), (three, networks.integers["3 bits"])):
        trace = record(reference.steps(integer, stimulus))
        different = {each.name: trace[each.name] != expected[each.name] for each in networks.network.spiking}
        for name, share in found.flips.items():
            assert share.value == pytest.approx(different[name].mean())
        everything = np.concatenate([each.reshape(7, -1) for each in different.values()], axis=1)
        assert found.total.value == pytest.approx(everything.mean())
        assert found.untouched.value == pytest.approx(np.mean(~everything.any(axis=1)))
        now = predicted(integer, stimulus, reference.steps)
        assert found.changed.value == pytest.approx(np.mean(now != classes))
    assert three.total.value > eight.total.value


def test_a_network_that_integers_hold_exactly_keeps_every_spike():
    model, (pixels, labels) = small(), images(3)
    network = folded(lower(model))
    whole = [
        replace(each, stages=(replace(each.synapses, weight=np.sign(each.synapses.weight)),))
        for each in network.projections
    ]
    neurons = [
        each if each is network.source else replace(each, neuron=replace(each.neuron, bias=np.zeros(())))
        for each in network.populations
    ]
    exact = replace(network, projections=tuple(whole), populations=tuple(neurons))
    exact = replace(
        exact,
        populations=tuple(
            each if each is network.source or each.neuron.threshold is None
            else replace(each, neuron=replace(each.neuron, threshold=np.array(1.0)))
            for each in exact.populations
        ),
    )  # fmt: skip
    networks = replace(lowered(model, (8,), {}), network=exact, integers={"8 bits": quantize(exact, weight_bits=8)})
    _, found = rounded(networks, pixels, labels, (1,))
    assert found.total.value == 0
    assert found.untouched.value == 1


ENDS = ("source", "target")


def renamed(name):
    return {"conv1": "c1"}.get(name, name)


def test_archives_must_be_of_the_network():
    model = small()
    network = folded(lower(model))
    longer = quantize(replace(network, steps=4))
    with pytest.raises(NetworkError, match=r"b\.safetensors: runs 4 steps, the float network 3"):
        lowered(model, (), {"b.safetensors": longer})
    projections = tuple(replace(p, **{end: renamed(getattr(p, end)) for end in ENDS}) for p in network.projections)
    populations = tuple(replace(p, name=renamed(p.name)) for p in network.populations)
    other = quantize(replace(network, populations=populations, projections=projections))
    with pytest.raises(
        NetworkError, match=r"population c1 is \(4, 8, 8\), in the float network missing; expected a net"
    ):
        lowered(model, (), {"b.safetensors": other})
    assert lowered(model, (), {}) is None


def test_bits_that_are_too_few_are_named(monkeypatch):
    def refuse(network, *, weight_bits):
        raise QuantizationError(f"{network.steps} steps, {weight_bits} bits")

    monkeypatch.setattr("spikeport.toolchain.analysis.thresholds.deployed.quantize", refuse)
    with pytest.raises(QuantizationError, match=r"3 bits: 3 steps, 3 bits; leave them out of the bits \(--bits\)"):
        lowered(small(), (3,), {})

"""The comparison itself: it must see every kind of difference and say where the first one is."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export import fidelity
from spikeport.export.errors import ExecutorError
from spikeport.export.executors import reference
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted, record

NETWORK = small_network()
DRIVEN = stimulus(np.random.default_rng(0).integers(0, 256, (5, 1, 6, 5)), NETWORK)


def changed(name, quantity, place, delta):
    """Return the reference's steps with one value of ``name`` changed at (sample, step, neuron)."""
    sample, at, neuron = place
    for step in reference.steps(NETWORK, DRIVEN, batch=2):
        if step.step == at and step.rows.start <= sample < step.rows.stop:
            values = dict(getattr(step, quantity))
            values[name] = values[name].copy()
            index = (sample - step.rows.start, *neuron)
            values[name][index] = values[name][index] ^ True if delta is None else values[name][index] + delta
            step = replace(step, **{quantity: values})
        yield step


@pytest.mark.parametrize(
    ("name", "quantity", "place", "delta"),
    [
        ("conv1", "spikes", (3, 2, (1, 2, 0)), None),
        ("conv1", "spikes", (0, 0, (0, 0, 0)), None),
        ("readout", "potentials", (4, 3, (2,)), 1),
    ],
)
def test_one_different_value_is_found_and_placed(name, quantity, place, delta):
    found = fidelity.Fidelity("changed")
    for expected, step in zip(
        reference.steps(NETWORK, DRIVEN, batch=2), changed(name, quantity, place, delta), strict=True
    ):
        found.add(expected, step)
    assert found.mismatches == 1
    assert found.compared == 5 * 4 * (36 + 3)
    first = found.comparisons[name].first
    assert (first.sample, first.step, first.neuron) == place
    assert first.expected != first.found


def test_missing_population_is_an_error_not_a_pass():
    found, step = fidelity.Fidelity("short"), next(reference.steps(NETWORK, DRIVEN))
    with pytest.raises(ExecutorError, match=r"short gives spikes of \[\]; expected \['conv1'\]"):
        found.add(step, replace(step, spikes={}))


def test_shape_that_would_broadcast_is_an_error():
    found, step = fidelity.Fidelity("flat"), next(reference.steps(NETWORK, DRIVEN))
    with pytest.raises(ExecutorError, match="population conv1: shape"):
        found.add(step, replace(step, spikes={"conv1": step.spikes["conv1"][:1]}))


def test_executor_with_fewer_steps_is_an_error(monkeypatch):
    def short(network, driven):
        yield from list(reference.steps(network, driven))[:-1]

    monkeypatch.setattr(fidelity, "executor", lambda name, _: short if name == "short" else reference.steps)
    with pytest.raises(ValueError, match="zip"):
        fidelity.compare(NETWORK, DRIVEN, ["short"])


def test_batches_change_neither_trace_nor_prediction():
    whole, parts = (record(reference.steps(NETWORK, DRIVEN, batch=size)) for size in (5, 2))
    for name, values in whole.items():
        assert np.array_equal(values, parts[name])
        assert values.shape[:2] == (5, 4)
    assert predicted(NETWORK, DRIVEN, reference.steps).tolist() == whole["readout"][:, -1].argmax(1).tolist()

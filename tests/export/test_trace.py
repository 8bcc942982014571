"""What a class scores: spikes, the last potential, or a mean; by itself, and where the user names another way."""

from dataclasses import replace

import numpy as np
import pytest

import spikeport
from spikeport.export.errors import ExecutorError
from spikeport.export.executors import fast
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import SCORES, record, score_rule, scores

SILENT = small_network()
FIRING = replace(
    SILENT,
    populations=tuple(
        replace(p, neuron=replace(p.neuron, threshold=np.array(20))) if p.name == "readout" else p
        for p in SILENT.populations
    ),
    bounds={},
)
FORGETFUL = replace(
    SILENT,
    populations=tuple(
        replace(p, neuron=replace(p.neuron, decay_v=np.array(4096))) if p.name == "readout" else p
        for p in SILENT.populations
    ),
    bounds={},
)
DRIVEN = random_stimulus(SILENT, 30, 1)
BY_HAND = {
    "count": lambda values: values.sum(axis=1),
    "last": lambda values: values[:, -1],
    "mean": lambda values: values.sum(axis=1) / values.shape[1],
    "max": lambda values: values.max(axis=1),
}


@pytest.mark.parametrize(("network", "own"), [(SILENT, "last"), (FIRING, "count"), (FORGETFUL, "mean")])
def test_every_score_is_that_of_the_whole_trace(network, own):
    values = record(fast.steps(network, DRIVEN, batch=7))["readout"].astype(np.float64)
    assert score_rule(network) == own
    assert np.array_equal(scores(fast.steps(network, DRIVEN, batch=7), network, 30), BY_HAND[own](values))
    for rule in SCORES:
        if rule == "count" and network is not FIRING:
            continue
        found = scores(fast.steps(network, DRIVEN, batch=7), network, 30, rule)
        assert np.array_equal(found, BY_HAND[rule](values)), rule
        assert np.array_equal(spikeport.simulate(network, DRIVEN, settings=of(rule)).scores, found)
    assert len({BY_HAND[rule](values).tobytes() for rule in ("last", "mean", "max")}) == 3


def of(rule):
    return spikeport.SimulationSettings(score=rule)


def test_what_cannot_be_scored_is_refused_with_what_can():
    assert isinstance(SILENT, IntegerNetwork)
    with pytest.raises(ExecutorError, match=r"no score 'sum'; there are count, last, mean, max"):
        spikeport.simulate(SILENT, DRIVEN, settings=of("sum"))
    with pytest.raises(ExecutorError, match=r"population readout never does; take 'last', 'mean' or 'max'"):
        spikeport.simulate(SILENT, DRIVEN, settings=of("count"))


def test_text_says_what_the_scores_are():
    text = spikeport.simulate(FIRING, DRIVEN).text()
    assert "score of a class: spikes of its neuron over the sample" in text
    assert "largest value over all steps" in spikeport.simulate(SILENT, DRIVEN, settings=of("max")).text()

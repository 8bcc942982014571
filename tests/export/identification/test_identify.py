"""A recording of any rules finds these rules again: every layout, every kind of output, and what stays open is said."""

from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikeport.export.errors import FormatError, StimulusError
from spikeport.export.executors import floating
from spikeport.export.identification.identify import identify
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.dialect import DIALECTS, RESETS
from spikeport.export.nir_import.graph import Builder, read
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

SAMPLES, STEPS, IN, HIDDEN, OUT = 20, 12, 6, 8, 4


def lif(rng, size, tau, r):
    return nir.LIF(
        tau=np.full(size, tau),
        r=np.full(size, r),
        v_leak=np.zeros(size),
        v_threshold=rng.uniform(0.5, 1.5, size).astype(np.float32),
        v_reset=np.zeros(size),
    )


def model(path, seed, neuron, *, readout=False):
    """Write a file with two layers of ``neuron(rng, size)``, the second one a readout if asked."""
    rng = np.random.default_rng(seed)
    last = nir.LI(tau=np.full(OUT, 4e-4), r=np.full(OUT, 4.0), v_leak=np.zeros(OUT)) if readout else neuron(rng, OUT)
    layers = {
        "input": nir.Input({"input": np.array([IN])}),
        "fc1": nir.Affine(rng.normal(0.4, 1.2, (HIDDEN, IN)), rng.normal(0, 0.1, HIDDEN)),
        "one": neuron(rng, HIDDEN),
        "fc2": nir.Affine(rng.normal(0.3, 1.2, (OUT, HIDDEN)), rng.normal(0, 0.1, OUT)),
        "two": last,
        "output": nir.Output({"output": np.array([OUT])}),
    }
    names = list(layers)
    nir.write(path, nir.NIRGraph(layers, list(pairwise(names)), type_check=False))
    return path


def built(path, dialect, steps):
    return Builder(nodes.read(path, trusted=True), dialect).network(steps=steps)


def play(path, dialect, inputs):
    network = built(path, dialect, inputs.shape[1])
    return record(floating.steps(network, stimulus(inputs, network)))


def drawn(seed, samples=SAMPLES, steps=STEPS):
    return (np.random.default_rng(seed).random((samples, steps, IN)) < 0.4).astype(np.uint8)


def same_network(path, one, other):
    """Tell whether two dialects give the same spikes on input that was not recorded."""
    fresh = drawn(99, 60, 40)
    traces = [play(path, each, fresh) for each in (one, other)]
    return all(np.array_equal(traces[0][name], traces[1][name]) for name in ("one", "two"))


def snntorch_like(rng, size):
    return lif(rng, size, 4e-4, 4.0)


TRUTHS = {
    **{f"snntorch, {reset}": replace(DIALECTS["snntorch"], reset=reset) for reset in RESETS if reset != "subtract"},
    "spikingjelly": DIALECTS["spikingjelly"],
    "at the threshold, subtracted": replace(DIALECTS["nir"], dt=1e-4, inclusive=True, reset="subtract"),
    "several spikes": replace(DIALECTS["nir"], dt=1e-4, inclusive=True, reset="subtract", most=None),
    "half the step": replace(DIALECTS["nir"], dt=5e-5),
    "leak as gain": replace(DIALECTS["nir"], dt=1e-4, gain="leak"),
    "a step late": replace(DIALECTS["spyx"], dt=1e-4),
}


KNOWN = {"exponential": False, "start": "zero", "gain": "file", "dt": 1e-4}
"""What narrows the search of a test whose subject is something else."""


LONG = ("at the threshold, subtracted", "half the step")


@pytest.mark.parametrize(
    "truth", [pytest.param(each, marks=pytest.mark.slow) if each in LONG else each for each in TRUTHS]
)
def test_rules_are_found_again(tmp_path, truth):
    path = model(tmp_path / "a.nir", 3, snntorch_like)
    inputs = drawn(4)
    trace = play(path, TRUTHS[truth], inputs)
    found = identify(path, inputs, {"one": trace["one"], "two": trace["two"]}, exponential=False)
    assert found.exact
    assert found.difference is None
    assert same_network(path, found.closest, TRUTHS[truth])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    reset=st.sampled_from([each for each in RESETS if each != "pause"]),
    inclusive=st.booleans(),
    most=st.sampled_from([1, None]),
)
def test_chosen_rules_always_reproduce_the_recording(tmp_path, seed, reset, inclusive, most):
    path = model(tmp_path / f"{seed}.nir", seed, snntorch_like)
    truth = replace(DIALECTS["nir"], dt=1e-4, reset=reset, inclusive=inclusive, most=most)
    inputs = drawn(seed, 5)
    trace = play(path, truth, inputs)
    found = identify(path, inputs, {"two": trace["two"]}, **KNOWN)
    assert found.exact
    again = play(path, found.closest, inputs)
    assert np.array_equal(again["two"], trace["two"])


@pytest.mark.parametrize("axes", ["samples first", "steps first", "one sample", "flat counts"])
def test_layouts_are_recognised_and_said(tmp_path, axes):
    path = model(tmp_path / "a.nir", 5, snntorch_like)
    truth = replace(DIALECTS["snntorch"], reset="hard")
    inputs = drawn(6)
    spikes = play(path, truth, inputs)["two"]
    given_ = {
        "samples first": (inputs, spikes, "(samples, steps, ...)"),
        "steps first": (inputs.swapaxes(0, 1), spikes.swapaxes(0, 1), "(steps, samples, ...)"),
        "one sample": (inputs[0], spikes[0], "(steps, ...) of one sample"),
        "flat counts": (inputs, spikes.sum(1), "(samples, steps, ...)"),
    }
    recorded, out, words = given_[axes]
    found = identify(path, recorded, out)
    assert found.layout == words
    assert (found.samples, found.steps) == ((1, STEPS) if axes == "one sample" else (SAMPLES, STEPS))
    assert any(each == truth for each in found.exact)


def test_input_held_over_the_steps_takes_them_from_the_output(tmp_path):
    path = model(tmp_path / "a.nir", 5, snntorch_like)
    held = np.random.default_rng(7).random((SAMPLES, IN))
    truth = replace(DIALECTS["snntorch"], reset="hard")
    spikes = play(path, truth, np.repeat(held[:, None], STEPS, axis=1))["two"]
    found = identify(path, held, spikes)
    assert found.layout == "(samples, ...) held over the steps"
    assert truth in found.exact
    counts = identify(path, held, spikes.sum(1), steps=STEPS)
    assert truth in counts.exact


@pytest.mark.parametrize("way", ["potentials", "last", "mean", "most"])
def test_potentials_and_logits_of_a_readout_are_compared(tmp_path, way):
    path = model(tmp_path / "a.nir", 8, snntorch_like, readout=True)
    truth = replace(DIALECTS["nir"], dt=1e-4, reset="subtract", inclusive=True)
    inputs = drawn(9)
    potentials = play(path, truth, inputs)["two"].astype(np.float32)
    ways = {"potentials": potentials, "last": potentials[:, -1], "mean": potentials.mean(1), "most": potentials.max(1)}
    found = identify(path, inputs, ways[way], **KNOWN)
    assert found.exact
    assert np.allclose(play(path, found.closest, inputs)["two"], potentials, atol=1e-5)


def test_number_that_no_file_holds_is_found(tmp_path):
    def integrator(rng, size):
        return nir.IF(r=np.ones(size), v_threshold=rng.uniform(0.5, 1.5, size), v_reset=np.zeros(size))

    path = model(tmp_path / "a.nir", 10, integrator)
    truth = replace(DIALECTS["sinabs"], floor=-0.25)
    inputs = drawn(11)
    trace = play(path, truth, inputs)
    found = identify(path, inputs, {"one": trace["one"], "two": trace["two"]})
    assert found.round == "numbers that no file holds"
    assert truth in found.exact


def test_what_was_told_is_not_tried(tmp_path):
    path = model(tmp_path / "a.nir", 3, snntorch_like)
    inputs = drawn(4)
    spikes = play(path, replace(DIALECTS["snntorch"], reset="hard"), inputs)["two"]
    found = identify(path, inputs, spikes, reset="hard")
    assert found.exact
    assert all(each.reset == "hard" for each in found.exact)
    wrong = identify(path, inputs, spikes, dialect="snntorch", reset="none")
    assert not wrong.exact
    assert wrong.closest.reset == "none"


def test_first_difference_is_located(tmp_path):
    """One spike of the hidden layer is flipped: no rules reproduce that, and it is named."""
    path = model(tmp_path / "a.nir", 3, snntorch_like)
    inputs = drawn(4)
    trace = play(path, DIALECTS["snntorch"], inputs)
    spikes = trace["one"].copy()
    spikes[2, 5, 1] = 1 - spikes[2, 5, 1]
    found = identify(path, inputs, {"one": spikes, "two": trace["two"]}, dialect="snntorch", reset="late")
    assert not found.exact
    assert found.difference is not None
    assert (found.difference.layer, found.difference.sample) == ("one", 2)
    assert (found.difference.step, found.difference.neuron) == (5, (1,))
    assert found.different >= 1


def test_rules_that_the_recording_does_not_tell_apart_are_all_named(tmp_path):
    """Up to the first spike every reset reproduces the recording."""
    path = model(tmp_path / "a.nir", 3, snntorch_like)
    inputs = drawn(4)[:1]
    spikes = play(path, DIALECTS["snntorch"], inputs)["two"]
    first = 1 + int(np.flatnonzero(spikes.any(axis=(0, 2)))[0])
    found = identify(path, inputs[:, :first], spikes[:, :first])
    assert {"late", "hard", "none"} <= {each.reset for each in found.exact}


def test_recordings_that_do_not_fit_are_refused(tmp_path):
    path = model(tmp_path / "a.nir", 3, snntorch_like)
    inputs = drawn(4)
    spikes = play(path, DIALECTS["snntorch"], inputs)["two"]
    with pytest.raises(StimulusError, match=r"the input has shape \(20, 12, 5\); expected samples and steps of \(6,\)"):
        identify(path, inputs[..., :5], spikes)
    with pytest.raises(StimulusError, match=r"the output of 'two' has shape \(20, 12, 3\); the layer has shape \(4,\)"):
        identify(path, inputs, spikes[..., :3])
    with pytest.raises(StimulusError, match="samples and steps do not agree"):
        identify(path, inputs, spikes[:, :7])
    with pytest.raises(StimulusError, match=r"names of layers: .*one"):
        identify(path, inputs, {"three": spikes, "four": spikes})
    with pytest.raises(StimulusError, match="the recorded layers are 'two', 'tow'"):
        identify(path, inputs, {"two": spikes, "tow": spikes})
    with pytest.raises(StimulusError, match="holds no spike of 'two', which any rules reproduce"):
        identify(path, inputs, np.zeros_like(spikes))
    with pytest.raises(StimulusError, match="record its spikes"):
        identify(path, inputs, spikes + 0.5)
    with pytest.raises(FormatError, match="no dialect 'brian'"):
        identify(path, inputs, spikes, dialect="brian")


def test_file_that_nothing_can_hold_is_refused_by_its_fault(tmp_path):
    path = model(tmp_path / "a.nir", 3, lambda rng, size: lif(rng, size, 0.0, 1.0))
    with pytest.raises(FormatError, match=r"a\.nir: node 'one' \(LIF\): tau is 0"):
        identify(path, drawn(4), np.zeros((SAMPLES, STEPS, OUT)))


def test_rules_read_back_are_those_that_were_found(tmp_path):
    path = model(tmp_path / "a.nir", 3, snntorch_like)
    network, dialect = read(path, steps=5, dialect="snntorch", reset="hard")
    assert dialect == replace(DIALECTS["snntorch"], reset="hard")
    assert network.steps == 5

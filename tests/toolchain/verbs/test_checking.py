"""Check: agreement of executors, the proof, and the verdict's forms."""

import json
from dataclasses import replace

import pytest

import spikeport
from spikeport import CheckSettings
from spikeport.export import archive, fidelity
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.executors import reference

ONNX = CheckSettings(executors=("onnx",), samples=3)


def flipped(loaded, stimulus):
    """Run the reference and flip one spike of step 2."""
    for step in reference.steps(loaded, stimulus):
        if step.step == 2:
            spikes = dict(step.spikes)
            spikes["conv1"] = spikes["conv1"].copy()
            spikes["conv1"][0, 1, 2, 3] ^= True
            step = replace(step, spikes=spikes)
        yield step


@pytest.fixture
def one_flip(monkeypatch):
    """Make every executor but the fast one differ in one spike."""
    monkeypatch.setattr(fidelity, "executor", lambda name, _=None: reference.steps if name == "fast" else flipped)


def test_equal_executors_pass_on_images_and_on_random_samples(network, held_out):
    settings = CheckSettings(executors=("onnx", "nir"))
    for verdict in (spikeport.check(network, held_out, settings=settings), spikeport.check(network, settings=ONNX)):
        assert verdict.passed
        assert verdict.reasons == ()
        assert all(found.mismatches == 0 < found.compared for found in verdict.executors.values())
        assert "exact; proof recomputed: no register can wrap or saturate" in verdict.text()


@pytest.mark.usefixtures("one_flip")
def test_one_flipped_spike_fails_and_is_located(network, held_out):
    verdict = spikeport.check(network, held_out, settings=ONNX)
    assert not verdict.passed
    assert verdict.mismatches == 1
    assert verdict.reasons == ("1 neuron steps differ (0 allowed)",)
    assert "sample 0, step 2, neuron (1, 2, 3)" in verdict.text()


@pytest.mark.usefixtures("one_flip")
def test_a_limit_passes_as_many_differences_and_no_more(network, held_out):
    for allowed, passes in ((0, False), (1, True), (2, True)):
        settings = replace(ONNX, max_mismatches=allowed)
        assert spikeport.check(network, held_out, settings=settings).passed is passes


def test_a_limit_that_cannot_be_met_is_refused():
    with pytest.raises(ExecutorError, match="max_mismatches is -1; expected a number from 0"):
        CheckSettings(max_mismatches=-1)


@pytest.mark.parametrize("names", [("fast",), ()])
def test_a_check_that_compares_nothing_is_refused(network, names):
    with pytest.raises(ExecutorError, match="nothing to compare with fast; name one or more of lava, nir"):
        spikeport.check(network, settings=CheckSettings(executors=names))


def test_a_network_without_proof_fails_unless_it_is_allowed(monkeypatch, network):
    monkeypatch.setattr(fidelity, "executor", lambda *_: reference.steps)
    loaded = archive.read_integer(network)
    unsafe = replace(loaded, projections=tuple(replace(p, exponent=15) for p in loaded.projections))
    verdict = spikeport.check(unsafe, settings=ONNX)
    assert not verdict.proven
    assert not verdict.passed
    assert verdict.reasons == ("no proof: for some input a register wraps or saturates",)
    assert verdict.mismatches == 0
    assert spikeport.check(unsafe, settings=replace(ONNX, unproven=True)).passed


def test_a_missing_input_file_is_named(network, tmp_path):
    with pytest.raises(StimulusError, match=r"none\.npz: no such file"):
        spikeport.check(network, tmp_path / "none.npz", settings=ONNX)


def test_the_verdict_is_written_as_xml_and_json(network, tmp_path):
    verdict = spikeport.check(network, settings=ONNX)
    verdict.write_json(tmp_path / "v.json")
    verdict.write_junit(tmp_path / "v.xml", name="digits")
    assert json.loads((tmp_path / "v.json").read_text()) == verdict.to_dict()
    assert verdict.to_dict()["passed"] is verdict.to_dict()["proven"] is True
    assert 'failures="0"' in (tmp_path / "v.xml").read_text()
    assert "digits.onnx" in (tmp_path / "v.xml").read_text()

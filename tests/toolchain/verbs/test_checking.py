"""Check: agreement of executors, the proof, and the verdict's forms."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import spikeport
from spikeport import CheckSettings
from spikeport.export import archive, fidelity
from spikeport.export.errors import ExecutorError, FormatError, LavaError, StimulusError
from spikeport.export.executors import floating, onnx, reference
from spikeport.export.network import FloatNeuron

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
        first = verdict.text().splitlines()[0]
        assert first.startswith(
            "exact; proof recomputed: no register can wrap or saturate in Lava's arithmetic; compared: "
        )
        compared = sum(found.compared for found in verdict.executors.values())
        assert first.endswith(f"compared: {compared:,} neuron steps of {', '.join(verdict.executors)}")


@pytest.mark.usefixtures("one_flip")
def test_one_flipped_spike_fails_and_is_located(network, held_out):
    verdict = spikeport.check(network, held_out, settings=ONNX)
    assert not verdict.passed
    assert verdict.mismatches == 1
    assert verdict.reasons == ("1 neuron steps differ (0 allowed)",)
    assert verdict.text().startswith(
        "failed: 1 neuron steps differ (0 allowed)\n1 neuron steps differ; proof recomputed"
    )
    assert "sample 0, step 2, neuron (1, 2, 3)" in verdict.text()


def test_a_chip_that_has_to_run_the_network_and_does_not_stands_in_front_of_equal_executors(network):
    verdict = spikeport.check(network, settings=CheckSettings(executors=("reference",), samples=2, chips=("loihi1",)))
    assert not verdict.passed
    failed, equal = verdict.text().splitlines()[:2]
    assert failed.startswith("failed: does not run on loihi1: ")
    assert equal.startswith("exact; proof recomputed: ")


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
    monkeypatch.setattr(fidelity, "ask", lambda *_: None)
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


def changed(path, name, **fields):
    """Return the network of an archive with other neurons in one population."""
    loaded = archive.read(path)
    populations = tuple(
        replace(p, neuron=replace(p.neuron, **fields)) if p.name == name else p for p in loaded.populations
    )
    return replace(loaded, populations=populations)


@pytest.fixture
def no_lava(monkeypatch, tmp_path):
    """Hide the Lava environment."""
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))


@pytest.mark.usefixtures("no_lava")
def test_executors_that_cannot_run_the_network_are_lines_and_the_verdict_comes_from_the_rest(network, tmp_path):
    subtracts = replace(changed(network, "conv1", reset_by=np.array(3)), bounds={})
    verdict = spikeport.check(subtracts, settings=CheckSettings(samples=3, unproven=True))
    assert verdict.passed
    assert list(verdict.executors) == ["onnx"]
    assert list(verdict.refused) == ["lava", "nir"]
    text = verdict.text()
    assert "lava cannot run here: no Lava environment in" in text
    assert "run 'spikeport lava install'" in text
    assert "nir cannot hold: population conv1 resets by subtraction, which NIR cannot say" in text
    assert verdict.to_dict()["refused"] == verdict.refused
    verdict.write_junit(tmp_path / "v.xml")
    written = (tmp_path / "v.xml").read_text()
    assert written.count("<skipped message=") == 2
    assert "cannot hold: population conv1 resets" in written


@pytest.mark.usefixtures("no_lava")
def test_a_required_executor_that_cannot_run_is_an_error_and_so_is_none_left(network):
    with pytest.raises(LavaError, match="executor lava, which is required, cannot run here: no Lava environment"):
        spikeport.check(network, settings=replace(ONNX, require=("lava",)))
    subtracts = replace(changed(network, "conv1", reset_by=np.array(3)), bounds={})
    with pytest.raises(FormatError, match="executor nir, which is required, cannot hold: population conv1 resets"):
        spikeport.check(subtracts, settings=replace(ONNX, require=("nir",)))
    left = r"no executor is left to compare with fast: lava cannot run here: .*; nir cannot hold: population conv1"
    with pytest.raises(ExecutorError, match=left):
        spikeport.check(subtracts, settings=CheckSettings(executors=("lava", "nir")))
    with pytest.raises(ExecutorError, match="no executor 'lavva'; there are fast, floating, lava, nir"):
        CheckSettings(require=("lavva",))


@pytest.mark.usefixtures("no_lava")
def test_a_required_executor_that_runs_is_compared(network):
    verdict = spikeport.check(network, settings=CheckSettings(executors=("lava",), require=("nir",), samples=3))
    assert verdict.passed
    assert list(verdict.executors) == ["nir"]
    assert list(verdict.refused) == ["lava"]


def test_nothing_runs_before_all_executors_were_asked(monkeypatch, network):
    events = []

    def steps(*arguments, **options):
        events.append("runs")
        return reference.steps(*arguments, **options)

    monkeypatch.setattr(fidelity, "executor", lambda *_: steps)
    for name in ("onnx", "nir"):
        module = sys.modules[f"spikeport.export.executors.{name}"]
        monkeypatch.setattr(module, "check", lambda _: events.append("asked"))
    spikeport.check(network, settings=CheckSettings(executors=("onnx", "nir"), samples=2))
    assert events == ["asked", "asked", "runs", "runs", "runs"]
    events.clear()
    with pytest.raises(ExecutorError, match="it runs float networks; this one is integer"):
        fidelity.check(archive.read_integer(network), None, ["onnx", "floating"])
    assert events == ["asked"]


def test_a_float_network_is_compared_with_float_onnx_and_its_nir_file(tiny_run, held_out, tmp_path):
    verdict = spikeport.check(tiny_run / "lower/network_float.safetensors", held_out)
    assert verdict.passed
    assert verdict.proven is None
    assert list(verdict.executors) == ["onnx", "nir"]
    assert verdict.refused == {"lava": "cannot hold: it runs integer and bias networks; this one is float"}
    text = verdict.text()
    assert "onnx against floating" in text
    assert "onnx computes in float32, floating in float64: spikes are compared exactly, potentials to 12 of 24" in text
    assert "no spike differs; a float network, which has no registers to prove" in text
    assert verdict.to_dict()["proven"] is None
    assert verdict.to_dict()["fidelity"]["onnx"]["precision"] == {"name": "float32", "of": 24, "bits": 12}
    verdict.write_junit(tmp_path / "v.xml")
    assert "register" not in (tmp_path / "v.xml").read_text()


def test_a_spike_or_a_potential_that_differs_fails_a_float_network(monkeypatch, tiny_run, held_out):
    path = tiny_run / "lower/network_float.safetensors"

    def biased(network, stimulus, *, batch=100):
        for step in floating.steps(network, stimulus, batch=batch):
            yield replace(step, potentials={name: 1.01 * values for name, values in step.potentials.items()})

    monkeypatch.setattr(fidelity, "executor", lambda name, _: floating.steps if name == "floating" else biased)
    verdict = spikeport.check(path, held_out, settings=CheckSettings(executors=("onnx",)))
    assert not verdict.passed
    assert verdict.executors["onnx"].comparisons["readout"].different > 0
    assert verdict.mismatches == verdict.executors["onnx"].comparisons["readout"].different
    monkeypatch.setattr(fidelity, "executor", lambda name, _: floating.steps if name == "floating" else flipped_float)
    assert spikeport.check(path, held_out, settings=CheckSettings(executors=("onnx",))).mismatches == 1


def flipped_float(network, stimulus, *, batch=100):
    """Run the floating executor and flip one spike."""
    for step in floating.steps(network, stimulus, batch=batch):
        if step.step == 1 and not step.rows.start:
            spikes = {name: values.copy() for name, values in step.spikes.items()}
            spikes["conv1"][0, 0, 0, 0] ^= True
            step = replace(step, spikes=spikes)
        yield step


def test_what_nir_cannot_say_of_a_float_network_is_a_line(tiny_run, held_out):
    several = changed(tiny_run / "lower/network_float.safetensors", "conv1", most=None, reset_by=np.array(1.0))
    assert isinstance(several.population("conv1").neuron, FloatNeuron)
    verdict = spikeport.check(
        several, held_out, settings=CheckSettings(executors=("onnx", "nir"), max_mismatches=10**9)
    )
    assert verdict.passed
    assert verdict.refused["nir"].startswith(
        "cannot hold: population conv1 fires several times a step, which NIR cannot"
    )


def test_asking_onnx_builds_the_model_and_refuses_what_it_cannot_keep(network, tiny_run):
    loaded = archive.read_integer(network)
    with pytest.raises(FormatError, match="this network is not proven to stay in its registers"):
        onnx.check(replace(loaded, projections=tuple(replace(p, exponent=15) for p in loaded.projections)))
    loaded = archive.read_float(tiny_run / "lower/network_float.safetensors")
    deep = replace(loaded, steps=5000, projections=tuple(replace(p, delay=5000) for p in loaded.projections))
    with pytest.raises(FormatError, match="an ONNX model of the network would keep"):
        onnx.check(deep)

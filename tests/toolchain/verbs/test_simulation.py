"""Simulate: classes, scores, operations, files, and images that do not fit."""

import numpy as np
import pytest

import spikeport
from spikeport import SimulationSettings
from spikeport.export import simulation as runs
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.toolchain.verbs import simulation

IMAGES = np.zeros((2, 1, 8, 8), np.uint8)


def in_executor(name):
    return SimulationSettings(executor=name)


def test_float_network_runs_in_the_float_executor_and_in_onnx(tiny_run, held_out):
    network = tiny_run / "lower/network_float.safetensors"
    found = spikeport.simulate(network, held_out)
    assert "20 images, floating: classes" in found.text()
    in_float32 = spikeport.simulate(network, held_out, settings=in_executor("onnx"))
    assert np.mean(in_float32.classes == found.classes) >= 0.9
    with pytest.raises(ExecutorError, match="no executor 'lava' for float networks; there are floating, nir, onnx"):
        spikeport.simulate(network, held_out, settings=in_executor("lava"))


def test_simulate_counts_and_resumes(network, held_out, tmp_path):
    out = tmp_path / "classes.npz"
    counted = spikeport.simulate(network, held_out, settings=SimulationSettings(count=True), out=out)
    assert counted.operations["input_to_conv1"] > 0
    assert "synaptic operations, Eq. 12 fused" in counted.text()
    assert counted.passed
    assert counted.verification == spikeport.count(network, held_out).verification
    assert counted.to_dict()["verification"]["simulated"] == counted.verification.simulated > 0
    again = spikeport.simulate(network, held_out, settings=SimulationSettings(resume=True), out=out)
    assert np.array_equal(again.classes, counted.classes)
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(ExecutorError, match="to resume needs a file to write"):
        spikeport.simulate(network, held_out, settings=SimulationSettings(resume=True))


def test_simulate_announces_a_long_run(network, held_out, monkeypatch, capsys):
    monkeypatch.setattr(runs, "PART", 5)
    spikeport.simulate(network, held_out)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(simulation, "QUIET_SECONDS", 0)
    spikeport.simulate(network, held_out)
    assert "20 images on this machine: roughly 0 s" in capsys.readouterr().err


def test_simulate_keeps_classes_and_scores(network, held_out, tmp_path):
    kept = spikeport.simulate(network, held_out, out=tmp_path / "classes.npz")
    with np.load(tmp_path / "classes.npz") as file:
        assert np.array_equal(file["classes"], kept.classes)
        assert np.array_equal(file["scores"], kept.scores)
    for name in ("reference", "onnx", "nir"):
        other = spikeport.simulate(network, held_out, settings=in_executor(name))
        assert np.array_equal(other.scores, kept.scores)
    assert kept.to_dict()["classes"] == kept.scores.argmax(1).tolist()


def test_accuracy_is_the_share_of_labels_that_are_met(network, held_out, tmp_path):
    with np.load(held_out) as file:
        images, labels = file["images"], file["labels"]
    found = spikeport.simulate(network, held_out)
    assert found.accuracy == np.mean(found.classes == labels)
    assert f"accuracy {100 * found.accuracy:.1f} %" in found.text()
    assert spikeport.simulate(network, images, labels=found.classes).accuracy == 1
    np.save(tmp_path / "images.npy", images)
    assert spikeport.simulate(network, tmp_path / "images.npy").accuracy is None
    with pytest.raises(StimulusError, match=r"'labels' is int64 of shape \(3,\); expected 20 integers"):
        spikeport.simulate(network, images, labels=[1, 2, 3])


def what_if(network, images):
    return spikeport.what_if(network, images, spikeport.Variations())


@pytest.mark.parametrize("verb", [spikeport.simulate, spikeport.report, what_if])
def test_a_label_that_is_no_class_is_refused_by_every_verb(network, held_out, verb, tmp_path):
    """Labels that count from 1 would give an accuracy near 0 without a word."""
    with np.load(held_out) as file:
        labels = file["labels"] + 1
        np.savez(tmp_path / "from_one.npz", images=file["images"], labels=labels)
    with pytest.raises(StimulusError, match=r"sample \d+ has label 10; expected labels 0 to 9"):
        verb(network, tmp_path / "from_one.npz")


def test_images_are_a_file_an_array_or_a_stimulus(network, held_out):
    loaded = spikeport.read_network(network)
    with np.load(held_out) as file:
        images = file["images"]
    expected = spikeport.simulate(network, held_out).scores
    for given in (images, images.tolist(), spikeport.stimulus(images, loaded)):
        assert np.array_equal(spikeport.simulate(loaded, given).scores, expected)
    shorter = spikeport.stimulus(images, loaded).first(2)
    with pytest.raises(StimulusError, match="the stimulus has 5 steps"):
        spikeport.simulate(loaded, type(shorter)(values=shorter.values, steps=5, held=True))


def arrays(tmp_path, **content):
    np.savez(tmp_path / "input.npz", **content)
    return tmp_path / "input.npz"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": IMAGES[:, 0]}, r"shape \(2, 8, 8\); expected \(N, 1, 8, 8\)"),
        ({"images": IMAGES - 3.5}, r"spans -3.5..-3.5; expected 0..1, which the network's encoding"),
        ({"images": np.array(IMAGES, dtype="U1")}, r"type <U1; expected numbers"),
        ({"pictures": IMAGES, "more": IMAGES}, r"it holds pictures, more; expected an array 'images'"),
        ({"images": IMAGES, "labels": np.zeros(3)}, r"'labels' is float64 of shape \(3,\); expected 2 integers"),
        ({"images": IMAGES.astype(object)}, r"type object; expected numbers"),
    ],
)
def test_wrong_input_file_is_named_with_its_fault(network, tmp_path, content, message):
    with pytest.raises(StimulusError, match=rf"input\.npz: .*{message}"):
        spikeport.simulate(network, arrays(tmp_path, **content))


@pytest.mark.parametrize("cut", [0, 1, 40, 200, -30])
def test_truncated_input_file_is_named(network, tmp_path, cut):
    path = arrays(tmp_path, images=IMAGES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StimulusError, match=r"input\.npz: "):
        spikeport.simulate(network, path)


def test_operations_of_a_float_network_are_those_that_are_counted_on_hardware(tiny_run, held_out, tmp_path):
    """In parts and in any executor: graded input by pixels, spikes by the synapses of the folded network."""
    network, counting, out = (
        tiny_run / "lower/network_float.safetensors",
        SimulationSettings(count=True),
        tmp_path / "x.npz",
    )
    found = spikeport.simulate(network, held_out, settings=counting, out=out)
    layers = spikeport.count(network, held_out).layers
    assert found.operations == {f"{layer.source}_to_{layer.target}": layer.formula for layer in layers}
    assert all(found.operations.values())
    assert np.array_equal(found.scores, spikeport.simulate(network, held_out).scores)
    assert found.verification == spikeport.count(network, held_out).verification
    assert found.verification.simulated is None
    assert "no third count" in found.text()
    in_onnx = spikeport.simulate(network, held_out, settings=SimulationSettings(count=True, executor="onnx"))
    assert in_onnx.operations["input_to_conv1"] == found.operations["input_to_conv1"]


def test_an_executor_of_integers_that_does_not_count_is_named(network, held_out):
    with pytest.raises(ExecutorError, match="executor 'onnx' does not count; the fast one does"):
        spikeport.simulate(network, held_out, settings=SimulationSettings(count=True, executor="onnx"))

"""Each verb as a function: its value, its text, its verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export import archive, fidelity, simulation
from spikeport.export.errors import ArchiveError, ExecutorError, FormatError, QuantizationError, StimulusError
from spikeport.export.executors import reference
from spikeport.export.formats import format_names, netx
from spikeport.export.stimulus import stimulus
from spikeport.toolchain import verbs
from tests.export.formats.test_netx import chain


@pytest.fixture
def network(tiny_run):
    return tiny_run / "network.safetensors"


@pytest.fixture
def held_out(tiny_run):
    return tiny_run / "held_out.npz"


def test_quantize_gives_the_runs_integers(tiny_run, network, tmp_path):
    outcome = verbs.quantize(tiny_run / "network_float.safetensors", tmp_path / "integer.safetensors")
    assert (tmp_path / "integer.safetensors").read_bytes() == network.read_bytes()
    assert archive.digest(outcome.value) == archive.digest(archive.read_integer(network))
    assert "conv1: u in" in outcome.text


def test_quantize_to_fewer_bits(tiny_run, tmp_path):
    outcome = verbs.quantize(tiny_run / "network_float.safetensors", tmp_path / "n.safetensors", weight_bits=4)
    assert max(np.abs(p.synapses.weight).max() for p in outcome.value.projections) == 7
    with pytest.raises(QuantizationError, match="weight_bits is 9; Loihi stores 2 to 8 bits"):
        verbs.quantize(tiny_run / "network_float.safetensors", tmp_path / "m.safetensors", weight_bits=9)
    assert not (tmp_path / "m.safetensors").exists()


def test_quantize_refuses_integers(network, tmp_path):
    with pytest.raises(ArchiveError, match="holds an integer network; expected a float one"):
        verbs.quantize(network, tmp_path / "n.safetensors")


@pytest.mark.parametrize("form", ["nir", "onnx"])
def test_export_writes_what_the_run_wrote(tiny_run, network, tmp_path, form):
    out = tmp_path / f"network.{form}"
    assert verbs.export(network, out, to=form).value == out
    assert out.stat().st_size == (tiny_run / f"network.{form}").stat().st_size


def test_export_writes_a_folder_for_lava(network, tmp_path):
    assert set(format_names()) == {"lava-job", "netx", "nir", "nir-portable", "onnx", "onnx-float"}
    verbs.export(network, tmp_path / "job", to="lava-job")
    assert (tmp_path / "job" / "network.safetensors").read_bytes() == network.read_bytes()


def test_export_refuses_an_unknown_format(network, tmp_path):
    with pytest.raises(FormatError, match="no format 'pth'; there are lava-job, netx, nir, nir-portable, onnx"):
        verbs.export(network, tmp_path / "network.pth", to="pth")


def test_float_network_runs_and_becomes_onnx(tiny_run, held_out, tmp_path):
    network = tiny_run / "network_float.safetensors"
    found = verbs.simulate(network, held_out)
    assert "20 images, floating: classes" in found.text
    in_float32 = verbs.simulate(network, held_out, executor="onnx")
    assert np.mean(in_float32.value == found.value) >= 0.9
    with pytest.raises(ExecutorError, match="no executor 'lava' for float networks; there are floating, onnx"):
        verbs.simulate(network, held_out, executor="lava")
    assert verbs.export(network, tmp_path / "network.onnx", to="onnx-float").value.stat().st_size > 0
    with pytest.raises(ArchiveError, match="holds an integer network; expected a float one"):
        verbs.export(tiny_run / "network.safetensors", tmp_path / "no.onnx", to="onnx-float")
    assert not (tmp_path / "no.onnx").exists()


def test_simulate_counts_resumes_and_shares(network, held_out, tmp_path):
    out = tmp_path / "classes.npz"
    counted = verbs.simulate(network, held_out, count=True, out=out)
    assert "synaptic operations" in counted.text
    assert "input_to_conv1" in counted.text
    again = verbs.simulate(network, held_out, out=out, resume=True)
    assert np.array_equal(again.value, counted.value)
    assert list(tmp_path.iterdir()) == [out]
    with pytest.raises(ExecutorError, match="--resume needs --out"):
        verbs.simulate(network, held_out, resume=True)


def test_simulate_announces_a_long_run(network, held_out, monkeypatch, capsys):
    monkeypatch.setattr(simulation, "PART", 5)
    verbs.simulate(network, held_out)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(verbs, "QUIET_SECONDS", 0)
    verbs.simulate(network, held_out)
    assert "20 images on this machine: about 0 s" in capsys.readouterr().err


def test_import_keeps_a_file_of_another_framework_as_it_is(tiny_run, network, held_out, tmp_path):
    path = tmp_path / "imported.safetensors"
    outcome = verbs.import_network(tiny_run / "network.nir", path)
    assert "name='spikeport'" in outcome.text
    assert "float, " in outcome.text
    assert np.array_equal(verbs.simulate(path, held_out).value, verbs.simulate(network, held_out).value)


def test_simulate_keeps_classes_and_scores(network, held_out, tmp_path):
    outcomes = {name: verbs.simulate(network, held_out, executor=name) for name in ("reference", "onnx", "nir")}
    kept = verbs.simulate(network, held_out, out=tmp_path / "classes.npz")
    with np.load(tmp_path / "classes.npz") as file:
        assert np.array_equal(file["classes"], kept.value)
        assert np.array_equal(file["scores"].argmax(1), kept.value)
    assert all(np.array_equal(outcome.value, kept.value) for outcome in outcomes.values())
    assert "20 images, fast: classes" in kept.text
    assert "accuracy" in kept.text


def test_simulate_takes_images_without_labels(network, held_out, tmp_path):
    with np.load(held_out) as file:
        np.save(tmp_path / "images.npy", file["images"])
    assert "accuracy" not in verbs.simulate(network, tmp_path / "images.npy").text


def test_check_passes_on_images_and_on_random_samples(network, held_out):
    for outcome in (
        verbs.check(network, input=held_out, executors="onnx,nir"),
        verbs.check(network, random=3, executors="onnx"),
    ):
        assert not outcome.failed
        assert all(found["mismatches"] == 0 < found["compared"] for found in outcome.value["fidelity"].values())
        assert "exact; proof recomputed: no register can wrap or saturate" in outcome.text


def test_check_fails_where_an_executor_differs(monkeypatch, network, held_out):
    def wrong(loaded, driven):
        for step in reference.steps(loaded, driven):
            if step.step == 2:
                spikes = dict(step.spikes)
                spikes["conv1"] = spikes["conv1"].copy()
                spikes["conv1"][0, 1, 2, 3] ^= True
                step = replace(step, spikes=spikes)
            yield step

    monkeypatch.setattr(fidelity, "executor", lambda name: reference.steps if name == "fast" else wrong)
    outcome = verbs.check(network, input=held_out, executors="onnx")
    assert outcome.failed
    assert "sample 0, step 2, neuron (1, 2, 3)" in outcome.text
    assert not verbs.check(network, input=held_out, executors="onnx", max_mismatches=1).failed


@pytest.mark.parametrize("executors", ["fast", "", ","])
def test_check_that_compares_nothing_is_refused(network, executors):
    with pytest.raises(ExecutorError, match="nothing to compare with fast; name one or more of lava, nir"):
        verbs.check(network, executors=executors)


def test_check_says_where_no_proof_holds(monkeypatch, network, tmp_path):
    monkeypatch.setattr(fidelity, "executor", lambda _: reference.steps)
    loaded = archive.read_integer(network)
    huge = tuple(replace(p, exponent=15) for p in loaded.projections)
    archive.write(replace(loaded, projections=huge), tmp_path / "unsafe.safetensors")
    outcome = verbs.check(tmp_path / "unsafe.safetensors", random=2, executors="onnx")
    assert "no proof: a register could overflow" in outcome.text
    assert outcome.failed
    assert not verbs.check(tmp_path / "unsafe.safetensors", random=2, executors="onnx", unproven=True).failed


def test_report_counts_and_places(network, held_out, tmp_path):
    outcome = verbs.report(network, held_out, profile=("loihi1",), out=tmp_path)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written == outcome.value
    assert list(written["placement"]) == ["loihi1"]
    assert written["operations"]["difference"] == 0
    loaded = archive.read_integer(network)
    assert written["operations"]["images"] == len(stimulus(np.load(held_out)["images"], loaded))


def test_profiles_are_listed_and_shown():
    assert {"loihi1", "loihi2", "speck", "cmos45_fp32"} <= set(verbs.profiles().value)
    assert "1,024 neurons: A core holds" in verbs.profiles_show("loihi1", rules=True).text
    assert "65,536 kernel_words: A core holds" in verbs.profiles_show("speck", rules=True).text
    assert "geometry: Strides are" in verbs.profiles_show("speck", rules=True).text
    assert "no cores and no rules" in verbs.profiles_show("cmos45_fp32", rules=True).text
    for name in verbs.profiles().value:
        assert all(len(line) > 20 for line in verbs.profiles_show(name).text.splitlines()[4:])
    shown = verbs.profiles_show("loihi1").text
    assert "published" in shown
    assert "Davies" in shown


def arrays(tmp_path, **content):
    np.savez(tmp_path / "input.npz", **content)
    return tmp_path / "input.npz"


IMAGES = np.zeros((2, 1, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": IMAGES[:, 0]}, r"shape \(2, 8, 8\); expected \(N, 1, 8, 8\)"),
        ({"images": IMAGES - 3.5}, r"spans -3.5..-3.5; expected 0..1, which the network's encoding"),
        ({"images": np.array(IMAGES, dtype="U1")}, r"type <U1; expected integers 0..255"),
        ({"pictures": IMAGES}, r"it holds pictures; expected an array 'images'"),
        ({"images": IMAGES, "labels": np.zeros(3)}, r"'labels' is float64 of shape \(3,\); expected 2 integers"),
        ({"images": IMAGES.astype(object)}, r"damaged \(Object arrays cannot be loaded"),
    ],
)
def test_wrong_input_file_is_named_with_its_fault(network, tmp_path, content, message):
    with pytest.raises(StimulusError, match=rf"input\.npz: .*{message}"):
        verbs.simulate(network, arrays(tmp_path, **content))


@pytest.mark.parametrize("cut", [0, 1, 40, 200, -30])
def test_truncated_input_file_is_named(network, tmp_path, cut):
    path = arrays(tmp_path, images=IMAGES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(StimulusError, match=r"input\.npz: "):
        verbs.simulate(network, path)


def test_missing_input_file_is_named(network, tmp_path):
    with pytest.raises(StimulusError, match=r"none\.npz: no such file"):
        verbs.check(network, input=tmp_path / "none.npz")


def test_check_writes_its_verdict_as_xml_and_json(network, tmp_path):
    outcome = verbs.check(network, random=2, executors="onnx", junit=tmp_path / "v.xml", json=tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text()) == outcome.value
    assert outcome.value["proven"]
    assert 'failures="0"' in (tmp_path / "v.xml").read_text()


def test_lava_dl_files_become_archives(tmp_path):
    small = chain(1, levels=1)
    netx.write(small, tmp_path / "small.net")
    for dialect, inclusive in (("auto", False), ("slayer", True)):
        outcome = verbs.quantize(tmp_path / "small.net", tmp_path / "small.safetensors", steps=6, dialect=dialect)
        assert {p.neuron.inclusive for p in outcome.value.neurons} == {inclusive}
        assert not verbs.check(tmp_path / "small.safetensors", random=3, executors="onnx").failed
    with pytest.raises(FormatError, match="netx does not say how many steps"):
        verbs.quantize(tmp_path / "small.net", tmp_path / "none.safetensors")

"""--input-as in every verb: biases and spikes, what is printed, what is refused, and what is written."""

import msgspec
import numpy as np
import pytest

import spikeport
from spikeport.export import archive, bias_form, biases
from spikeport.export.errors import FormatError, NetworkError, StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import BiasNetwork, Source
from spikeport.export.passes import folded
from spikeport.export.stimulus import InputSettings
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.encoders.poisson import Poisson
from spikeport.toolchain.verbs.checking import CheckSettings
from spikeport.toolchain.verbs.simulation import SimulationSettings
from tests.toolchain.invoking import invoke
from tests.toolchain.networks import snn

BIAS = InputSettings(input_as="bias")
POISSON = InputSettings(input_as="poisson", encoder_seed=1)


@pytest.fixture
def images(tmp_path):
    """Return a file of images for the small network."""
    values = np.random.default_rng(0).integers(0, 256, (6, *small_network().source.shape)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", images=values, labels=np.zeros(6, int))
    return tmp_path / "images.npz"


@pytest.fixture
def network(tmp_path):
    """Return an archive of the small network."""
    archive.write(small_network(), tmp_path / "network.safetensors")
    return tmp_path / "network.safetensors"


def test_simulate_counts_rounding_and_keeps_what_the_host_writes(network, images, tmp_path, monkeypatch, capsys):
    kept = tmp_path / "biases.npz"
    call = ("simulate", network, "--input", images, "--input-as", "bias", "--biases", kept)
    code, out, err = invoke(monkeypatch, capsys, *call)
    assert code == 0
    assert "drives (" in out
    done = spikeport.simulate(network, images, reading=BIAS)
    assert done.rounding.text() in out
    assert done.to_dict()["rounding"] == done.rounding.to_dict()
    assert ("warning: " in err) == (done.rounding.beyond > 0)
    values = np.load(images)["images"]
    expected = biases.written(bias_form.as_bias(small_network()), values)["conv1"]
    with np.load(kept) as written:
        assert sorted(written.files) == ["conv1.exponent", "conv1.mantissa"]
        assert np.array_equal(written["conv1.mantissa"], expected.mantissa)
        assert np.array_equal(written["conv1.exponent"], expected.exponent)


def test_simulate_counts_what_the_chip_adds(network, images):
    done = spikeport.simulate(network, images, settings=SimulationSettings(count=True), reading=BIAS)
    assert done.passed
    assert [layer.source for layer in done.verification.layers] == ["conv1"]
    assert done.operations["conv1_to_readout"] >= done.verification.formula > 0
    assert done.rounding.text() in done.text()


def test_networks_without_biases_of_images_write_none(network, images, tmp_path):
    with pytest.raises(NetworkError, match="the network takes no biases of images"):
        spikeport.simulate(network, images, biases=tmp_path / "b.npz")
    assert not (tmp_path / "b.npz").exists()
    assert spikeport.simulate(network, images).rounding is None
    assert "rounding" not in spikeport.simulate(network, images).to_dict()


def test_check_compares_the_form_that_was_asked_for(network, images):
    settings = CheckSettings(executors=("onnx", "reference", "nir"))
    verdict = spikeport.check(network, images, settings=settings, reading=BIAS)
    assert verdict.passed
    assert list(verdict.executors) == ["onnx", "reference"]
    assert verdict.refused == {"nir": "cannot hold: it runs float and integer networks; this one is bias"}
    assert verdict.rounding.text() in verdict.text()
    assert verdict.to_dict()["rounding"]["drives"] == verdict.rounding.drives
    assert verdict.network == archive.digest(bias_form.as_bias(small_network()))


def test_costs_take_the_form(network, images):
    done = spikeport.report(network, images, profiles=["loihi1"], relative_to=network, reading=BIAS)
    assert done.host.bytes == 2 * done.host.neurons
    assert done.passed
    plain = spikeport.energy(network, images, "loihi2")
    assert spikeport.energy(network, images, "loihi2", reading=BIAS).first_layer_chip == 0
    assert plain.first_layer_chip != 0
    assert spikeport.count(network, images, reading=BIAS).total_spikes >= 0
    rows = spikeport.what_if(network, images, spikeport.Variations(profiles=("loihi1",), steps=(2,)), reading=BIAS)
    assert len(rows) == 2


def test_exports_that_hold_the_form(network, images, tmp_path):
    out = tmp_path / "bias.safetensors"
    spikeport.export_network(network, out, to="archive", input_as="bias")
    assert type(spikeport.read_network(out)) is BiasNetwork
    whole, again = spikeport.simulate(network, images, reading=BIAS), spikeport.simulate(out, images)
    assert np.array_equal(whole.scores, again.scores)
    spikeport.export_network(out, tmp_path / "bias.onnx", to="onnx")
    spikeport.export_network(out, tmp_path / "job", to="lava-job")
    assert "which the worker writes as biases" in (tmp_path / "job" / "README.md").read_text()
    for form in ("netx", "nir", "nir-portable"):
        with pytest.raises(
            FormatError, match=f"format '{form}' does not take bias networks; archive, lava-job, loihi1, onnx"
        ):
            spikeport.export_network(network, tmp_path / "no", to=form, input_as="bias")
    assert not (tmp_path / "no").exists()


def test_an_input_that_changes_is_refused_with_the_way_out(network, tmp_path, monkeypatch, capsys):
    frames = np.zeros((2, small_network().steps, *small_network().source.shape), np.uint8)
    np.save(tmp_path / "frames.npy", frames)
    call = ("simulate", network, "--input", tmp_path / "frames.npy", "--input-as", "bias")
    code, _, err = invoke(monkeypatch, capsys, *call)
    assert code == 2
    assert "frames.npy: the input is given step by step, (N, T, ...), and a bias is written once per image" in err
    driven = spikeport.stimulus(frames, small_network())
    with pytest.raises(StimulusError, match="expected held images"):
        spikeport.simulate(network, driven, reading=BIAS)


def test_spikes_on_integers_of_grey_levels_name_the_way_and_it_works(tiny_run, held_out, tmp_path, monkeypatch, capsys):
    integers = tiny_run / "quantize/network.safetensors"
    code, _, err = invoke(monkeypatch, capsys, "simulate", integers, "--input", held_out, "--input-as", "poisson")
    assert code == 2
    assert "quantize the float network for it: spikeport quantize FLOAT --input-as poisson --out NETWORK" in err
    out = tmp_path / "spikes.safetensors"
    floats = tiny_run / "lower/network_float.safetensors"
    call = ("quantize", floats, "--input-as", "poisson", "--calibration", held_out, "--out", out)
    assert invoke(monkeypatch, capsys, *call)[0] == 0
    assert archive.read(out).source.neuron == Source(levels=1, unit=1.0)
    call = ("simulate", out, "--input", held_out, "--input-as", "poisson", "--encoder-seed", "1")
    code, text, err = invoke(monkeypatch, capsys, *call)
    assert code == 0
    assert "note: poisson: what arrives is right on average only" in err
    same = spikeport.simulate(out, held_out, reading=POISSON)
    assert same.text() in text
    verdict = spikeport.check(out, settings=CheckSettings(executors=("onnx",), samples=2), reading=POISSON)
    assert verdict.passed
    counts = spikeport.count(out, held_out, reading=POISSON)
    assert counts.first_layer_macs == 0
    assert counts.layers[0].kind == "AC"


def test_quantize_says_where_biases_belong(tiny_run):
    with pytest.raises(StimulusError, match="integers are the same whether their input comes as biases or not"):
        spikeport.quantize(tiny_run / "lower/network_float.safetensors", reading=BIAS)


@pytest.fixture
def coded(tmp_path):
    """Return the archive of a network that was trained with Poisson spikes, and a file of its images."""
    model = snn(steps=4)
    model.spiking = msgspec.structs.replace(model.spiking, encoder=Poisson(seed=3))
    archive.write(folded(lower(model.double().eval())), tmp_path / "float.safetensors")
    spikeport.quantize(tmp_path / "float.safetensors", target="loihi1", out=tmp_path / "coded.safetensors")
    values = np.random.default_rng(0).integers(0, 256, (5, 2, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "pixels.npz", images=values, labels=np.zeros(5, int))
    return tmp_path / "coded.safetensors", tmp_path / "pixels.npz"


def test_a_network_that_was_trained_with_an_encoder_codes_pixels_in_every_verb(coded, monkeypatch, capsys):
    network, pixels = coded
    code, out, err = invoke(monkeypatch, capsys, "simulate", network, "--input", pixels, "--count")
    done = spikeport.simulate(network, pixels, settings=SimulationSettings(count=True))
    assert (code, "note: " in err) == (0, False)
    assert done.text() in out
    spikes = spikeport.stimulus(str(pixels), spikeport.read_network(network))
    assert np.array_equal(spikeport.simulate(network, spikes).scores, done.scores)
    assert spikeport.check(network, pixels, settings=CheckSettings(executors=("reference",))).passed
    assert spikeport.check(network, settings=CheckSettings(executors=("reference",), samples=3)).passed
    report = spikeport.report(network, pixels, profiles=("loihi1",))
    assert {layer["kind"] for layer in report.to_dict()["operations"]["layers"]} == {"AC"}
    assert "runs on loihi1" in report.text()


def test_another_seed_gives_other_spikes_and_another_encoder_is_refused(coded, monkeypatch, capsys):
    network, pixels = coded
    own, other = (
        spikeport.simulate(network, pixels, reading=InputSettings(encoder_seed=seed)).scores for seed in (3, 4)
    )
    assert np.array_equal(spikeport.simulate(network, pixels).scores, own)
    assert not np.array_equal(own, other)
    code, _, err = invoke(monkeypatch, capsys, "simulate", network, "--input", pixels, "--input-as", "latency")
    assert code == 2
    assert "was trained with the encoder 'poisson'" in err
    assert err.count("\n") == 1

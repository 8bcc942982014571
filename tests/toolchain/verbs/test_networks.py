"""Read, write, import, quantize, export: results as objects, text and files."""

from dataclasses import replace

import numpy as np
import pytest

import spikeport
from spikeport import ImportSettings, QuantizeSettings
from spikeport.export import archive
from spikeport.export.errors import ArchiveError, FormatError, NetworkError, QuantizationError
from spikeport.export.formats import format_names, netx
from spikeport.export.network import FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.targets import LAVA
from spikeport.toolchain.verbs import networks
from spikeport.toolchain.verbs.quantized import _clipped
from tests.export.formats.test_netx import add_input_neurons, chain


def test_networks_are_read_and_written_back(network, tmp_path):
    loaded = spikeport.read_network(network)
    spikeport.write_network(loaded, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == network.read_bytes()


def test_quantize_gives_the_runs_integers(tiny_run, network, tmp_path):
    result = spikeport.quantize(tiny_run / "lower/network_float.safetensors", out=tmp_path / "integer.safetensors")
    assert (tmp_path / "integer.safetensors").read_bytes() == network.read_bytes()
    assert result.to_dict()["digest"] == archive.digest(archive.read_integer(network))
    assert result.proven
    largest = int(np.abs(result.network.incoming("conv1")[0].synapses.weight.astype(int)).max())
    assert (
        "no register can wrap or saturate within 4 steps, whatever the input, in Lava's arithmetic:\n"
        f"  conv1: weights of {len(f'{largest:b}') + 1} bits, current u " in result.text()
    )


def test_quantize_takes_an_object_and_gives_one(tiny_run, network):
    source = spikeport.read_network(tiny_run / "lower/network_float.safetensors")
    assert archive.to_bytes(spikeport.quantize(source).network) == network.read_bytes()


def test_quantize_to_fewer_bits(tiny_run, tmp_path):
    source = tiny_run / "lower/network_float.safetensors"
    result = spikeport.quantize(source, settings=QuantizeSettings(weight_bits=4))
    assert max(np.abs(p.synapses.weight).max() for p in result.network.projections) == 7
    with pytest.raises(QuantizationError, match="weight_bits is 9; Loihi stores 2 to 8 bits"):
        spikeport.quantize(source, settings=QuantizeSettings(weight_bits=9), out=tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_calibration_takes_images_and_says_where_weights_were_cut(tiny_run, held_out):
    source = tiny_run / "lower/network_float.safetensors"
    with np.load(held_out) as file:
        images = file["images"][:4]
    by_array, by_file = (spikeport.quantize(source, calibration=each) for each in (images, held_out))
    assert set(by_array.clips) == {p.name for p in by_array.network.neurons}
    assert "calibration: weights " in by_file.text()


def test_quantize_refuses_integers(network, tmp_path):
    with pytest.raises(ArchiveError, match="holds an integer network; expected a float one"):
        spikeport.quantize(network, out=tmp_path / "n.safetensors")
    with pytest.raises(NetworkError, match="a IntegerNetwork was given; expected a FloatNetwork"):
        spikeport.quantize(spikeport.read_network(network))


def test_settings_that_a_file_has_no_use_for_are_refused(tiny_run, tmp_path):
    with pytest.raises(FormatError, match=r"'steps' is for \.nir and \.net files; an archive says it itself"):
        spikeport.quantize(
            tiny_run / "lower/network_float.safetensors", settings=QuantizeSettings(source=ImportSettings(steps=3))
        )
    netx.write(chain(1, levels=1), tmp_path / "small.net")
    for settings in (ImportSettings(dt=0.1), ImportSettings(reset="hard"), ImportSettings(most=2)):
        with pytest.raises(FormatError, match=f"does not take the setting '{settings.given()[0]}'"):
            spikeport.import_netx(tmp_path / "small.net", settings=settings)
    with pytest.raises(
        FormatError, match=r"does not take the dialect 'norse'; dialects are auto \(lava\), lava, slayer"
    ):
        spikeport.import_netx(tmp_path / "small.net", settings=ImportSettings(dialect="norse"))


@pytest.mark.parametrize("form", ["nir", "onnx"])
def test_export_writes_what_the_run_wrote(tiny_run, network, tmp_path, form):
    out = tmp_path / f"network.{form}"
    result = spikeport.export_network(network, out, to=form)
    assert result.to_dict() == {"out": str(out), "format": form, "bytes": out.stat().st_size, "note": result.note}
    if form == "onnx":
        assert out.read_bytes() == (tiny_run / "export/network.onnx").read_bytes()
    else:
        settings = ImportSettings(dialect="spikeport")
        ours, theirs = (
            spikeport.import_nir(path, settings=settings) for path in (out, tiny_run / "export/network.nir")
        )
        assert archive.to_bytes(ours.network) == archive.to_bytes(theirs.network)


def test_export_says_which_versions_of_the_nir_package_read_its_files(tiny_run, network, tmp_path):
    for source, form in ((network, "nir"), (tiny_run / "lower/network_float.safetensors", "nir-float")):
        done = spikeport.export_network(source, tmp_path / form, to=form)
        assert done.text().endswith("bytes); the nir package reads it from version 1.0.6 on, which knows v_reset")
        assert done.to_dict()["note"] == done.note
    assert spikeport.export_network(network, tmp_path / "x", to="onnx").note == ""


def test_export_writes_a_folder_for_lava(network, tmp_path):
    names = {"archive", "lava-job", "loihi1", "netx", "nir", "nir-float", "nir-portable", "onnx", "onnx-float"}
    assert set(format_names()) == names
    spikeport.export_network(network, tmp_path / "job", to="lava-job")
    assert (tmp_path / "job" / "network.safetensors").read_bytes() == network.read_bytes()


def test_export_refuses_what_it_cannot_write(network, tmp_path):
    with pytest.raises(FormatError, match="no format 'pth'; there are archive, lava-job, loihi1, netx, nir"):
        spikeport.export_network(network, tmp_path / "network.pth", to="pth")
    with pytest.raises(ArchiveError, match=r"network\.safetensors: holds an integer network; expected a float one"):
        spikeport.export_network(network, tmp_path / "no.onnx", to="onnx-float")
    assert list(tmp_path.iterdir()) == []


def test_import_keeps_a_file_of_another_framework_as_it_is(tiny_run, network, held_out, tmp_path):
    path = tmp_path / "imported.safetensors"
    result = spikeport.import_nir(tiny_run / "export/network.nir", out=path)
    assert result.network.kind == result.to_dict()["kind"] == "float"
    assert "as spikeport: " in result.text()
    ours, theirs = (spikeport.simulate(each, held_out) for each in (path, network))
    assert np.array_equal(ours.classes, theirs.classes)


def test_lava_dl_files_become_archives(tmp_path):
    small = chain(1, levels=1)
    netx.write(small, tmp_path / "small.net")
    for dialect, inclusive in (("auto", False), ("lava", False), ("slayer", False), ("slayer-0.3", True)):
        source = ImportSettings(steps=6, dialect=dialect)
        result = spikeport.quantize(tmp_path / "small.net", settings=QuantizeSettings(source=source))
        assert {p.neuron.inclusive for p in result.network.neurons} == {inclusive}
        settings = spikeport.CheckSettings(samples=3, executors=("onnx",))
        assert spikeport.check(result.network, settings=settings).passed
    with pytest.raises(FormatError, match="netx does not say how many steps"):
        spikeport.quantize(tmp_path / "small.net", out=tmp_path / "none.safetensors")
    assert not (tmp_path / "none.safetensors").exists()


def test_neurons_of_the_input_layer_that_are_left_out_stand_among_the_assumptions(tmp_path):
    netx.write(chain(1, levels=1), tmp_path / "a.net")
    add_input_neurons(tmp_path / "a.net")
    said = "the neurons of the input layer (with weight and bias) are left out: the input is their spikes"
    settings = ImportSettings(steps=6)
    assert said in spikeport.import_netx(tmp_path / "a.net", settings=settings).text().splitlines()
    result = spikeport.quantize(tmp_path / "a.net", settings=QuantizeSettings(source=settings))
    assert said in result.text().splitlines()
    assert said in result.to_dict()["assumptions"]


def test_quantize_claims_a_proof_only_where_there_is_one(tmp_path):
    """Weights at a large exponent overflow the current's register; a .net file may hold them, and the text says so."""
    small = chain(1, levels=1)
    source = QuantizeSettings(source=ImportSettings(steps=6))
    claims = {}
    for name, exponent in (("small", 0), ("large", 15)):
        changed = replace(small, projections=tuple(replace(p, exponent=exponent) for p in small.projections))
        archive.write(changed, tmp_path / f"{name}.safetensors")
        claims[name] = networks._in_formats((changed, {}), (), LAVA)
    assert claims["small"].proven
    assert "no register can wrap or saturate" in claims["small"].text()
    assert not claims["large"].proven
    assert "not proven in Lava's arithmetic: the synaptic current of" in claims["large"].text()
    assert "no register can" not in claims["large"].text()
    netx.write(small, tmp_path / "small.net")
    assert spikeport.quantize(tmp_path / "small.net", settings=source).proven


def test_quantize_names_the_file_and_the_projection_that_a_pass_refuses(tmp_path):
    def population(name, neuron):
        return FloatPopulation(name=name, shape=(9000,), neuron=neuron)

    source = FloatNetwork(
        populations=(population("input", Source()), population("a", FloatNeuron(threshold=np.array(1.0)))),
        projections=(FloatProjection(source="input", target="a", stages=()),),
        steps=2,
    )
    archive.write(source, tmp_path / "long.safetensors")
    message = "pass fold_synapses, projection input -> a: an identity .* would need 81,000,000 weights"
    with pytest.raises(NetworkError, match=rf"long\.safetensors: {message}"):
        spikeport.quantize(tmp_path / "long.safetensors")
    with pytest.raises(NetworkError, match=f"^{message}"):
        spikeport.quantize(source)


def test_clips_are_told_in_words():
    assert _clipped({"a": 1, "b": 1.0}) == "calibration: weights kept whole at every layer"
    told = _clipped({"a": 0.9, "b": 1.0, "c": 0.75})
    assert (
        told == "calibration: weights cut to a share of the layer's largest, in a above 90%, c above 75%; kept whole: b"
    )

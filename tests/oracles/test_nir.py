"""Other frameworks' NIR files give their own spikes; see `tests.oracles.nir_matrix`."""

import json

import numpy as np
import pytest

import spikeport
from spikeport.export import archive, fidelity
from spikeport.export.errors import FormatError, QuantizationError
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.graph import read
from spikeport.export.nir_import.origin import candidates
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import random_stimulus
from tests.oracles.nir_matrix import compare, names, told, unpacked

pytestmark = pytest.mark.oracle


def told_by(**changes):
    """Return settings with what the file does not say."""
    return spikeport.QuantizeSettings(source=spikeport.ImportSettings(**changes))


@pytest.mark.parametrize("name", names())
def test_spikes_are_the_exporters_own(name):
    outcome = compare(name)
    assert outcome.error == ""
    assert outcome.compared >= 2520
    assert outcome.different == 0


def test_at_least_the_goal():
    assert len(names()) >= 30


@pytest.mark.parametrize("name", names())
def test_framework_is_among_those_that_can_have_written_the_file(name, tmp_path):
    """What is taken without a question is right; what is asked has the right one among the candidates."""
    path, recorded = unpacked(name, tmp_path)
    framework, _ = told(json.loads(str(np.load(recorded)["meta"])))
    assert framework in [each.dialect.name for each in candidates(nodes.read(path))]
    outcome = compare(name, guessed=True)
    assert outcome.identical or "spikeport identify" in outcome.error


@pytest.mark.parametrize("name", [name for name in names() if name.startswith(("spiking", "norse", "snn"))][::3])
def test_files_go_all_the_way_to_exact_integers(name, tmp_path):
    """Quantized, the reference and ONNX agree; what Loihi cannot hold is refused with a way out."""
    path, recorded = unpacked(name, tmp_path)
    dialect, changes = told(json.loads(str(np.load(recorded)["meta"])))
    network, _ = read(path, dialect=dialect, steps=10, levels=1, **changes)
    try:
        integer = quantize(folded(network))
    except QuantizationError as error:
        assert "stay with the float executor" in str(error)
        return
    found, _ = fidelity.check(integer, random_stimulus(integer, 5, 0), ["onnx"])
    assert found["onnx"].mismatches == 0


def test_several_spikes_a_step_are_refused_for_loihi_with_the_alternative(tmp_path):
    path, _ = unpacked("sinabs_mlp_iaf_grid", tmp_path)
    with pytest.raises(QuantizationError, match=r"fires several spikes a step; Loihi's neurons fire one: .*most=1"):
        spikeport.quantize(path, settings=told_by(steps=8, dialect="sinabs"), out=tmp_path / "out.safetensors")
    settings = told_by(steps=8, most=1, dialect="sinabs")
    outcome = spikeport.quantize(path, settings=settings, out=tmp_path / "out.safetensors")
    assert "as sinabs: " in outcome.text()
    assert archive.read_integer(tmp_path / "out.safetensors").steps == 8


def test_steps_and_dialect_must_be_known(tmp_path):
    path, _ = unpacked("norse_mlp_iaf_grid", tmp_path)
    with pytest.raises(FormatError, match="NIR does not say how many steps a sample takes"):
        spikeport.quantize(path, settings=told_by(), out=tmp_path / "out.safetensors")
    with pytest.raises(FormatError, match="no dialect 'brian'; there are auto, nir, spikeport, snntorch"):
        spikeport.quantize(path, settings=told_by(steps=8, dialect="brian"), out=tmp_path / "out.safetensors")
    with pytest.raises(FormatError, match="reset is 'soft'; expected one of hard, subtract"):
        spikeport.quantize(path, settings=told_by(steps=8, reset="soft"), out=tmp_path / "out.safetensors")

"""Other frameworks' NIR files give their own spikes; see `tests.oracles.nir_matrix`."""

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
from tests.oracles.nir_identify import identified
from tests.oracles.nir_matrix import compare, compare_files, meta_of, names, told, unpacked

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


@pytest.mark.parametrize("name", names())
def test_a_file_alone_gives_the_exporters_own_spikes_or_a_question(name):
    outcome = compare(name, guessed=True)
    assert outcome.identical or "give" in outcome.error  # what to give


@pytest.mark.parametrize("name", names())
def test_framework_is_among_those_that_can_have_written_the_file(name, tmp_path):
    path, recorded = unpacked(name, tmp_path)
    framework, _ = told(meta_of(recorded))
    assert framework in [each.dialect.name for each in candidates(nodes.read(path, trusted=True))]


@pytest.mark.parametrize("name", names())
def test_what_is_guessed_wrong_says_that_it_is_a_guess(name):
    outcome = compare(name, guess=True)
    assert outcome.identical or outcome.error or any("warning: guessed" in note for note in outcome.notes)


@pytest.mark.parametrize("name", [name for name in names() if "float" in name][::4])
def test_input_and_output_alone_tell_the_rules(name):
    found = identified(name)
    assert found.exact
    assert found.outcome.identical


def test_at_least_the_goal():
    versions = {tuple(name.split("_")[:2]) for name in names()}
    assert len(names()) >= 160
    assert len({tool for tool, _ in versions}) >= 8
    assert len(versions) >= 14


@pytest.mark.parametrize("name", names()[::5])
def test_the_comparison_finds_a_single_wrong_cell(name, tmp_path):
    path, recorded = unpacked(name, tmp_path)
    with np.load(recorded) as file:
        arrays = dict(file)
    key = next(key for key in arrays if key.startswith("spikes_"))
    arrays[key].reshape(-1)[-1] ^= 1
    np.savez(recorded, **arrays)
    assert compare_files(path, recorded).different == 1


@pytest.mark.parametrize("name", [name for name in names() if name.startswith(("spiking", "norse", "snn"))][::3])
def test_files_go_all_the_way_to_exact_integers(name, tmp_path):
    """Quantized, the reference and ONNX agree; what Loihi cannot hold is refused with a way out."""
    path, recorded = unpacked(name, tmp_path)
    dialect, changes = told(meta_of(recorded))
    network, _ = read(path, dialect=dialect, steps=10, levels=1, **changes)
    try:
        integer = quantize(folded(network))
    except QuantizationError as error:
        assert "stay with the float executor" in str(error)
        return
    found, _ = fidelity.check(integer, random_stimulus(integer, 5, 0), ["onnx"])
    assert found["onnx"].mismatches == 0


def test_several_spikes_a_step_are_refused_for_loihi_with_the_alternative(tmp_path):
    path, _ = unpacked("sinabs_3.1.3_mlp_iaf_grid", tmp_path)
    known = {"steps": 8, "dialect": "sinabs"}
    with pytest.raises(QuantizationError, match=r"fires several spikes a step; Loihi's neurons fire one: .*most=1"):
        spikeport.quantize(path, settings=told_by(**known), out=tmp_path / "out.safetensors")
    outcome = spikeport.quantize(path, settings=told_by(**known, most=1), out=tmp_path / "out.safetensors")
    assert "as sinabs: " in outcome.text()
    assert archive.read_integer(tmp_path / "out.safetensors").steps == 8


def test_steps_and_dialect_must_be_known(tmp_path):
    path, _ = unpacked("norse_1.1.0_mlp_iaf_grid", tmp_path)
    with pytest.raises(FormatError, match="NIR does not say how many steps a sample takes"):
        spikeport.quantize(path, settings=told_by(dialect="norse"), out=tmp_path / "out.safetensors")
    with pytest.raises(FormatError, match="no dialect 'brian'; there are auto, nir, spikeport, snntorch"):
        spikeport.quantize(path, settings=told_by(steps=8, dialect="brian"), out=tmp_path / "out.safetensors")
    with pytest.raises(FormatError, match="reset is 'soft'; expected one of hard, subtract"):
        spikeport.quantize(
            path, settings=told_by(steps=8, dialect="norse", reset="soft"), out=tmp_path / "out.safetensors"
        )

"""Count, place, price, report and what-if: objects or paths in, typed results out, equal to each other."""

import json

import numpy as np
import pytest

import spikeport
from spikeport import Variations
from spikeport.export.errors import PlacementError, ProfileError


def test_counts_agree_and_are_those_of_the_report(network, held_out):
    counts = spikeport.count(network, held_out)
    assert counts.formula > 0
    report = spikeport.report(network, held_out, profiles=["loihi1"])
    assert report.to_dict()["operations"]["formula"] == counts.formula
    simulated = spikeport.simulate(network, held_out, settings=spikeport.SimulationSettings(count=True))
    assert sum(simulated.operations.values()) == counts.formula + counts.first_layer_macs


def test_the_report_of_a_run_compares_the_layers_of_the_float_network(tiny_run):
    found = json.loads((tiny_run / "report" / "report.json").read_text())
    populations = [each["population"] for each in found["comparison"]["layers"]]
    assert populations == [each["population"] for each in found["spikes"]]
    assert all(0 <= each["changed"]["value"] < 0.5 for each in found["comparison"]["layers"])
    assert {row["images"] for row in found["accuracy"]} == {found["images"]["count"]}


def test_report_is_written_and_passes(network, held_out, tmp_path):
    report = spikeport.report(network, held_out, profiles=("loihi1",), out=tmp_path)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written == report.to_dict()
    assert list(written["placement"]) == ["loihi1"]
    assert written["operations"]["images"] == len(np.load(held_out)["images"])
    assert (tmp_path / "report.html").is_file()
    assert report.passed
    assert report.reasons == ()


def test_placement_and_energy_are_those_of_the_report(network, held_out):
    report = spikeport.report(network, held_out, profiles=["loihi1"]).to_dict()
    placement = spikeport.place(network, "loihi1")
    assert len(placement.cores) == report["placement"]["loihi1"]["cores"]
    energy = spikeport.energy(network, held_out, "loihi1")
    for part in ("synaptic_operations", "neuron_updates", "static"):
        assert getattr(energy, part) == report["energy"]["loihi1"][part] > 0


def test_a_profile_is_a_name_an_object_or_a_file(network, held_out, tmp_path):
    by_name = spikeport.energy(network, held_out, "cmos45_int8")
    by_object = spikeport.energy(network, held_out, spikeport.load_profile("cmos45_int8"))
    assert by_name.to_dict() == by_object.to_dict()
    assert by_name.static is None
    with pytest.raises(PlacementError, match="cmos45_int8 has no cores"):
        spikeport.place(network, "cmos45_int8")
    with pytest.raises(ProfileError, match="no profile 'loihi7'; there are"):
        spikeport.place(network, "loihi7")
    with pytest.raises(ProfileError, match=r"own\.toml"):
        spikeport.place(network, tmp_path / "own.toml")


def test_what_if_has_a_row_per_variation_and_profile(network, held_out):
    rows = spikeport.what_if(network, held_out, Variations(profiles=("loihi1", "loihi2"), steps=(2,)))
    assert len(rows) == 4
    assert rows[0].accumulates["fused"] > rows[2].accumulates["fused"]

"""The better strategy is taken, and what does not fit is named with its amount and the way out."""

import json
import re

import pytest

from spikeport.export.errors import PlacementError
from spikeport.export.lava.doctor import small_network
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.networks import APART, convolutional, limited

NETWORK = small_network()


def test_the_strategy_with_fewer_cores_is_taken_and_the_other_explained():
    network = convolutional(side=16)
    profile = limited(synaptic_memory=12000)
    counts = {strategy: len(place(network, profile, strategy).cores) for strategy in STRATEGIES}
    best = place(network, profile)
    assert best.strategy == "shared"
    assert counts["shared"] < counts["unrolled"]
    assert best.refused == {"unrolled": f"{counts['unrolled']:,} cores"}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"synaptic_memory": 8},
            "population readout does not fit a core of loihi1 .*one neuron takes .* of 8 bytes of synaptic",
        ),
        ({"input_axons": 3}, r"one neuron takes 36 of 3 input axons, 12 times what there is\. .*prune until"),
        ({"output_axons": 1, "neurons": 1}, "population conv1 does not fit .* takes 3 of 1 output axons, 3 times"),
    ],
)
def test_what_does_not_fit_names_layer_amount_and_way_out(limits, message):
    with pytest.raises(PlacementError, match=message):
        place(NETWORK, limited(**limits), "unrolled")


def test_a_chip_without_cores_and_an_unknown_strategy_are_refused():
    with pytest.raises(PlacementError, match="cmos45_fp32 has no cores to place neurons on"):
        place(NETWORK, load_profile("cmos45_fp32"))
    with pytest.raises(PlacementError, match="truenorth cannot place 'shared'; it can unrolled"):
        place(NETWORK, load_profile("truenorth"), "shared")


def test_smaller_cores_need_more_of_them():
    assert len(place(NETWORK, limited(neurons=6)).cores) == 7
    assert len(place(NETWORK, limited(**APART)).cores) == 2
    assert len(place(NETWORK, load_profile("loihi1")).cores) == 1


def test_chips_are_filled_before_another_is_taken():
    """Seven cores: one chip of seven, two of six, seven of one."""
    chips = {each: place(NETWORK, limited(neurons=6, cores_per_chip=each)).chips for each in (1, 6, 7, 8)}
    assert chips == {1: 7, 6: 2, 7: 1, 8: 1}


def test_text_and_plain_data_have_every_population_and_core():
    placement = place(NETWORK, limited(neurons=6))
    shown = placement.text()
    assert re.search(r"conv1 +6 +36 +neurons 100.0 %", shown)
    assert shown.endswith(f"loihi1, {placement.strategy}: 7 cores (at least 7), 1 chips")
    document = json.loads(json.dumps(placement.to_dict()))
    assert document["cores"] == len(document["per_core"]) == 7
    assert document["per_core"][0]["used"]["neurons"] == 6
    assert "operations" not in document["per_core"][0]


def test_text_of_a_layer_per_core():
    assert "speck, layers: 2 cores" in place(convolutional(), load_profile("speck")).text()

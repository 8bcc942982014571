"""Bars hold the same parts on every chip, and core maps are drawn by the resource that binds."""

from dataclasses import replace

import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.energy import SUMMED
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.drawing import CELLS, PARTS, cells, energy_bars, fullest, resources

NETWORK = small_network()
CHIPS = ("cmos45_fp32", "loihi1", "loihi2", "speck", "spinnaker2", "truenorth")
FOUND = report(NETWORK, random_stimulus(NETWORK, 3, 0), CHIPS)
DOCUMENT = FOUND.to_dict()
BARS = energy_bars(DOCUMENT["energy"])


def test_bars_hold_what_the_sum_holds():
    assert tuple(PARTS) == SUMMED


@pytest.mark.parametrize("name", CHIPS)
def test_every_part_is_drawn_unless_another_holds_it(name):
    energy = DOCUMENT["energy"][name]
    drawn = {list(PARTS)[each.number]: each for each in BARS[name]}
    for part in PARTS:
        assert (part in drawn) == (bool(energy[part]) or part in energy["unknown"])
        assert part not in drawn or (drawn[part].kind == "unknown") == (energy[part] is None)
    assert not set(drawn) & set(energy["included"])


@pytest.mark.parametrize("name", CHIPS)
def test_widths_are_shares_of_the_longest_bar(name):
    longest = max(each.sum_of_known for each in FOUND.energy.values())
    width = sum(each.width for each in BARS[name])
    assert width == pytest.approx(FOUND.energy[name].sum_of_known / longest)


@pytest.mark.parametrize("name", CHIPS)
def test_a_sum_is_a_lower_bound_where_a_part_is_unknown_in_bars_table_and_text(name):
    unknown = any(each.kind == "unknown" for each in BARS[name])
    row = next(line for line in FOUND.text().split("energy of a mean image, back")[1].splitlines() if name in line)
    assert (">=" in row) == unknown == bool(FOUND.energy[name].missing)
    page = html.render(FOUND)
    sums = [line for line in page.splitlines() if f"<td>{name}</td>" in line and 'class="sum"' in line]
    assert len(sums) == 1
    assert ('class="sum">≥ ' in sums[0]) == unknown


def test_an_assumed_part_is_drawn_otherwise():
    kinds = {each.title: each.kind for each in BARS["loihi1"]}
    assert kinds["synapses, Eq. 12 fused"] == "known"
    assert kinds["neuron updates"] == "assumed"


def test_a_bar_of_messages_between_chips_ends_unknown():
    between = replace(FOUND.energy["loihi1"], unknown={"spike_traffic_between_chips": "far"}).to_dict()
    *known, last = energy_bars({"loihi1": between})["loihi1"]
    assert (last.title, last.kind) == ("spikes between chips", "unknown")
    assert all(each.kind != "unknown" for each in known)


def core(number, **utilisation):
    block = {"population": f"p{number}"}
    return {"blocks": [block], "utilisation": utilisation, "fullest": max(utilisation, key=utilisation.get)}


def placed(number):
    cores = [core(n, neurons=0.2, input_axons=0.3 + n / number / 2, core_memory=0.1) for n in range(number - 1)]
    return {"per_core": [*cores, core(number - 1, neurons=1.0, input_axons=0.5)], "bottleneck": number - 1}


def test_a_cell_is_as_full_as_the_fullest_resource():
    first, *_, last = cells(placed(20), {"p0": "relay"})
    assert (first.title, first.resource, first.share, first.busiest) == (
        "core 0: p0 (relay)",
        "input axons",
        0.3,
        False,
    )
    assert (last.resource, last.share, last.busiest) == ("neurons", 1.0, True)
    assert resources(placed(20)) == {"input axons": 19, "neurons": 1}
    assert fullest(placed(20)) == "neurons 100.0 %"


def test_more_cores_than_cells_share_them():
    found = cells(placed(2 * CELLS + 1), {})
    assert len(found) <= CELLS
    assert sum(each.cores for each in found) == 2 * CELLS + 1
    assert (found[-1].share, found[-1].busiest) == (1.0, True)
    assert found[0].title.startswith("cores 0 to 2, the fullest of them core 2: p2")

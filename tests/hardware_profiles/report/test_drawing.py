"""Bars hold the same parts on every chip, and core maps are drawn by the resource that binds."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.energy import SUMMED
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.drawing import CELLS, cells, energy_bars, fullest, resources

NETWORK = small_network()
CHIPS = ("cmos45_fp32", "loihi1", "loihi2", "speck", "spinnaker2", "truenorth")
FOUND = report(NETWORK, random_stimulus(NETWORK, 3, 0), CHIPS)
PAGE = html.render(FOUND)
BARS = {each.label: each for each in energy_bars(FOUND.energy)}


def parts(bar):
    return {SUMMED[each.series]: each for each in bar.parts}


@pytest.mark.parametrize("name", CHIPS)
def test_every_part_is_drawn_unless_another_holds_it(name):
    energy, drawn = FOUND.energy[name], parts(BARS[name])
    for part in SUMMED:
        assert (part in drawn) == (bool(getattr(energy, part)) or part in energy.unknown)
        assert part not in drawn or (drawn[part].kind == "unknown") == (getattr(energy, part) is None)
    assert not set(drawn) & set(energy.included)


@pytest.mark.parametrize("name", CHIPS)
def test_a_bar_is_as_long_as_the_sum(name):
    assert BARS[name].value == pytest.approx(FOUND.energy[name].sum_of_known)


@pytest.mark.parametrize("name", CHIPS)
def test_a_sum_is_a_lower_bound_where_a_part_is_unknown_in_bars_table_and_text(name):
    unknown = any(each.kind == "unknown" for each in BARS[name].parts)
    row = next(line for line in FOUND.text().split("energy of a mean image, back")[1].splitlines() if name in line)
    assert (">=" in row) == ("≥ " in BARS[name].shown) == unknown == bool(FOUND.energy[name].missing)
    sums = [line for line in PAGE.splitlines() if f"<td>{name}</td>" in line and 'class="sum"' in line]
    assert len(sums) == 1
    assert ('class="sum">≥ ' in sums[0]) == unknown


@pytest.mark.parametrize("name", CHIPS)
def test_page_and_figure_draw_the_same_parts(name):
    """Kinds, colours and titles on the page; the figure has the bar's name before each title."""
    value = f'</span><span class="value">{re.escape(BARS[name].shown)}<'
    track = re.search(r'aria-label="([^"]*)">((?:<i [^>]*></i>)+)' + value, PAGE)
    on_page = re.findall(r'<i class="(\w+) p(\d)"[^>]* title="([^"]*)"', track[2])
    (svg,) = (each.svg for each in FOUND.figures() if each.name == "energy")
    shape = r'<g class="c(\d)"><rect class="(\w+)"[^>]*><title>' + name + r", ([^<]*)</title>"
    assert on_page == [(kind, series, title) for series, kind, title in re.findall(shape, svg)]
    assert on_page == [(each.kind, str(each.series), each.title) for each in BARS[name].parts]
    assert track[1] == ", ".join(title for _, _, title in on_page)
    assert f">{BARS[name].shown}</text>" in svg


def test_an_assumed_part_is_drawn_otherwise():
    drawn = parts(BARS["loihi1"])
    assert drawn["synaptic_operations"].kind == "known"
    assert drawn["neuron_updates"].kind == "assumed"


def test_a_bar_of_messages_between_chips_ends_unknown():
    between = replace(FOUND.energy["loihi1"], unknown={"spike_traffic_between_chips": "far"})
    (bar,) = energy_bars({"loihi1": between})
    *known, last = bar.parts
    assert (last.title, last.kind, SUMMED[last.series]) == ("spikes between chips: unknown", "unknown", "spike_traffic")
    assert all(each.kind != "unknown" for each in known)
    assert bar.shown.startswith("≥ ")


def core(number, **utilisation):
    block = SimpleNamespace(population=f"p{number}")
    return SimpleNamespace(blocks=[block], utilisation=utilisation, fullest=max(utilisation, key=utilisation.get))


def placed(number):
    cores = [core(n, neurons=0.2, input_axons=0.3 + n / number / 2, core_memory=0.1) for n in range(number - 1)]
    return SimpleNamespace(per_core=[*cores, core(number - 1, neurons=1.0, input_axons=0.5)], bottleneck=number - 1)


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

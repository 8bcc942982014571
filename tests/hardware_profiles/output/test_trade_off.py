"""The picture of a trade-off: which points are not beaten, and axes of round numbers around all of them."""

import xml.etree.ElementTree as ET

import pytest

from spikeport.hardware_profiles.output.drawing import amount, round_step
from spikeport.hardware_profiles.output.trade_off import Axis, Point, best, trade_off
from spikeport.hardware_profiles.shares import Mean


def point(name, cost, clean, robust=None):
    shares = [None if each is None else Mean(value=each, error=0.01) for each in (clean, robust)]
    return Point(name=name, cost=Mean(value=cost, error=0.0), clean=shares[0], robust=shares[1])


def test_points_that_none_beats_in_both_are_joined():
    points = [
        *(point("dear", 9.0, 0.9), point("worse", 5.0, 0.6), point("cheap", 1.0, 0.5), point("good", 4.0, 0.8)),
        point("equal", 4.0, 0.7),
    ]
    assert [each.name for each in best(points)] == ["cheap", "good", "dear"]


def test_the_robust_share_decides_where_it_is_known():
    assert [each.name for each in best([point("a", 1.0, 0.9, 0.1), point("b", 2.0, 0.8, 0.3)])] == ["a", "b"]


def test_axes_hold_every_value_between_round_numbers():
    axis = Axis.of(0.41, 0.97, 300)
    assert axis.ticks == pytest.approx([0.4, 0.6, 0.8, 1.0])
    assert (axis.at(0.4), axis.at(1.0), axis.at(0.7), axis.at(2.0)) == (0.0, 300.0, 150.0, 300.0)
    assert Axis.of(0.5, 0.5, 100).count >= 1
    assert [round_step(most, 5) for most in (5.0, 5.1, 99.0, 0.0)] == [1.0, 2.0, 20.0, 0.2]


def test_costs_are_short():
    assert [amount(each) for each in (0.012345, 3.14159, 12345.6)] == ["0.0123", "3.14", "12,346"]


def test_names_are_escaped_and_shares_stand_in_the_list():
    svg = trade_off([point("a <b>", 1.0, 0.5), point("c", 2.0, 0.75)], cost="µJ", robust="", errors="none")
    texts = [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "a <b>: clean 50.0 ± 1.0 %, 1" in texts
    assert "c: clean 75.0 ± 1.0 %, 2" in texts


def test_long_names_widen_the_picture():
    widths = []
    for name in ("a", "a" * 200):
        svg = ET.fromstring(trade_off([point(name, 1.0, 0.5)], cost="µJ", robust="", errors="none"))
        widths.append(float(svg.get("width")))
    assert widths[0] == 664
    assert widths[1] > 200 * 7

"""Diagrams: well-formed, inside of their panels, with every point's figures, and escaped."""

import xml.etree.ElementTree as ET

import pytest

from spikeport.toolchain.analysis.curves import HEIGHT, TOP, WIDTH, Curve, Panel, Point, curves

SVG = "{http://www.w3.org/2000/svg}"


def curve(name, *values, error=0.1):
    return Curve(name=name, points=[Point(label=f"{2**n}", value=v, error=error) for n, v in enumerate(values)])


def drawn(*shown, title="title"):
    return ET.fromstring(curves(title, [("flips", "eps", shown)]))


def test_every_point_stands_in_its_panel_with_its_figures():
    root = drawn(curve("a", 1.0, 2.5, 3.75), curve("b", 0.0, 0.1, 0.2, error=1.0))
    titles = [each.text for each in root.iter(f"{SVG}title")]
    assert "a, 4: 3.75 ± 0.10 %" in titles
    assert len(titles) == 1 + 6
    for line in root.iter(f"{SVG}polyline"):
        places = [tuple(map(float, each.split(","))) for each in line.get("points").split()]
        assert len(places) == 3
        assert all(70 < x < 70 + WIDTH and TOP <= y <= TOP + HEIGHT for x, y in places)
        assert [x for x, _ in places] == sorted(x for x, _ in places)


@pytest.mark.parametrize("largest", [0.003, 0.5, 1, 7, 9.99, 23, 50, 100])
def test_ticks_are_round_and_reach_over_the_largest(largest):
    panel = Panel(left=0, title="", unit="", curves=[curve("a", largest, error=0.0)])
    ticks = panel.ticks()
    assert ticks[0] == 0
    assert ticks[-2] < largest <= ticks[-1] * (1 + 1e-9)
    assert 3 <= len(ticks) <= 6
    assert all(len(f"{tick:g}".strip("0.")) <= 2 for tick in ticks)


def test_nothing_that_flips_is_a_line_at_the_bottom():
    panel = Panel(left=0, title="", unit="", curves=[curve("a", 0, 0, error=0)])
    assert panel.ticks() == [0, 1]
    assert panel.y(0) == TOP + HEIGHT


def test_names_of_files_are_escaped():
    text = curves("<a> & b", [("flips", "eps", [curve("x<y", 1.0)])])
    assert "<a>" not in text
    assert "x&lt;y" in text
    assert ET.fromstring(text).find(f"{SVG}title").text == "<a> & b"

"""The picture of the sweeps: well-formed, in place, with its verdict, and escaped."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest

from spikeport.toolchain.analysis.excess import Excess
from spikeport.toolchain.analysis.picture import HEIGHT, TOP, Panel, height, picture
from spikeport.toolchain.analysis.points import point
from spikeport.toolchain.analysis.result import Obfuscation
from spikeport.toolchain.analysis.verdicts import Check, Side

SVG = "{http://www.w3.org/2000/svg}"
NONE = Excess(first_alone=0, second_alone=0, images=500)


def check(name, first=0, second=0, robust=0.6, title="Square with 500 queries"):
    return Check(
        name=name,
        weaker=Side(name=title, robust=robust),
        stronger=Side(name="PGD-10", robust=0.5),
        excess=Excess(first_alone=first, second_alone=second, images=500),
    )


FOUND = Obfuscation(
    attack="PGD-10",
    epsilon=8,
    images=500,
    seed=0,
    clean=0.95,
    robust=0.5,
    together=0.5,
    without_gradient=0,
    checks=(check("one_step", title="FGSM"), check("black_box", robust=0.25)),
    iterations=(point(7, 0.52, 500), point(10, 0.5, 500), point(100, 0.49, 500)),
    epsilons=(point(0, 0.95, 500), point(2, 0.9, 500), point(8, 0.5, 500), point(128, 0.0, 500), point(255, 0.0, 500)),
    convergence=NONE,
)


def drawn(found):
    return ET.fromstring(picture(found))


def texts(found):
    return ["".join(each.itertext()) for each in drawn(found).iter(f"{SVG}text")]


def test_every_point_is_drawn_at_its_height_with_an_error_bar_inside_of_the_panel():
    circles = [(float(each.get("cx")), float(each.get("cy"))) for each in drawn(FOUND).iter(f"{SVG}circle")]
    shares = [each.robust for each in (*FOUND.iterations, *FOUND.epsilons[1:])]
    assert [y for _, y in circles] == [pytest.approx(TOP + HEIGHT * (1 - share), abs=0.05) for share in shares]
    assert [x for x, _ in circles] == sorted(x for x, _ in circles)
    bars = [each.get("d") for each in drawn(FOUND).iter(f"{SVG}path") if each.get("class") == "error"]
    ends = [float(end) for bar in bars for end in bar.split(" ")[1].split("V")]
    assert len(bars) == len(circles)
    assert all(TOP <= end <= TOP + HEIGHT for end in ends)


def test_clean_accuracy_and_other_attacks_are_in_the_legend():
    lines = texts(FOUND)
    assert {"clean 95.0 %", "FGSM, eps 8/255: 60.0 %", "Square with 500 queries, eps 8/255: 25.0 %"} <= set(lines)


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ((check("one_step"),), "no sign of masked gradients"),
        ((check("black_box", 90), check("unbounded", 30)), "signs of masked gradients: black box, unbounded"),
        ((check("one_step", first=60, second=60),), "undecided: one step"),
    ],
)  # fmt: skip
def test_the_verdict_stands_in_the_picture(checks, words):
    assert words in texts(replace(FOUND, checks=checks))


def test_names_are_escaped():
    assert "<b>&" in texts(replace(FOUND, attack="<b>&"))[0]


def test_labels_of_the_axis_do_not_touch():
    panel = Panel(left=0, title="", unit="", points=[point(0.01 * 1.3**power, 0.5, 9) for power in range(40)])
    places = [panel.x(each.value) for each in panel.labelled()]
    assert len(places) > 3
    assert all(left - right > 20 for left, right in pairwise(places))


def test_a_share_outside_of_0_to_1_stays_at_the_edge():
    assert (height(1.2), height(-0.1)) == (TOP, TOP + HEIGHT)


BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
PROBE = """<script>
const svg = document.querySelector('svg'), seen = each => each.getBoundingClientRect(), whole = seen(svg);
const inside = each => seen(each).left >= whole.left && seen(each).right <= whole.right
  && seen(each).top >= whole.top && seen(each).bottom <= whole.bottom;
const all = name => [...svg.querySelectorAll(name)];
document.body.setAttribute('data-found', JSON.stringify({
  circles: all('circle').filter(each => seen(each).width > 0 && inside(each)).length,
  outside: all('text').filter(each => !inside(each)).map(each => each.textContent),
  texts: all('text').filter(each => seen(each).width > 0).length,
  wide: seen(svg).width, high: seen(svg).height}));
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")
def test_a_browser_draws_every_point_and_every_text_inside_of_the_picture(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{picture(FOUND)}{PROBE}</body>", encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=1200,800", "--enable-logging=stderr", "--dump-dom", f"file://{page}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(re.search(r'data-found="([^"]*)"', done.stdout)[1].replace("&quot;", '"'))
    assert found["circles"] == len(FOUND.iterations) + len(FOUND.epsilons) - 1
    assert found["outside"] == []
    assert found["texts"] == len(texts(FOUND))
    assert min(found["wide"], found["high"]) > 200
    assert not re.findall(r".*CONSOLE.*", done.stderr)

"""The page in a real browser: no complaint, figures, light and dark, phone, print, and no fault of accessibility."""

import html as entities
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.sections import Accuracy, AttackedWith
from spikeport.hardware_profiles.report.write import write
from tests.hardware_profiles.networks import limited

NETWORK = small_network()
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
AXE = importlib.util.find_spec("axe_core_python")
"""The package that carries axe-core, of the extra [dev]."""
PROBE = """
const shown = [...document.querySelectorAll('.track i, .map i')].filter(each => each.getClientRects().length);
const size = element => parseFloat(getComputedStyle(element).fontSize);
const clipped = [...document.querySelectorAll('.table')].filter(each => each.scrollWidth > each.clientWidth);
const style = getComputedStyle(document.body);
found = {
  bars: shown.filter(each => each.className.startsWith('known')).length, unknown: [...new Set(shown
    .filter(each => each.className.startsWith('unknown')).map(each => each.getBoundingClientRect().width))],
  cells: document.querySelectorAll('.map i').length, clipped: clipped.length,
  cues: clipped.filter(each => getComputedStyle(each).backgroundImage.includes('gradient')).length,
  paper: style.backgroundColor, ink: style.color, text: size(document.body),
  labels: [...document.querySelectorAll('.label, .value, .map')].map(size),
  wide: document.documentElement.scrollWidth, window: window.innerWidth,
  loaded: performance.getEntriesByType('resource').map(entry => entry.name)};
"""
AXE_RUN = """
document.querySelectorAll('details').forEach(each => { each.open = true; });
found.faults = (await axe.run()).violations.map(each => each.id + ': ' + each.nodes.map(node => node.html).join(' | '));
"""
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return a report with every section: bars and a map of cores, an unknown part, attacks, another network."""
    folder = tmp_path_factory.mktemp("page")
    profiles = ["loihi1", "cmos45_fp32", "speck", limited("loihi2", neurons=2)]
    found = report(NETWORK, random_stimulus(NETWORK, 5, 0), profiles, relative_to=NETWORK, name="small_network.nir")
    rows = (Accuracy(title="integers", stage="check", clean=0.887, robust=0.776, sparsity=0.654),)
    attack = AttackedWith(name="PGD-10", epsilon=8.0, images=500, network=0.5, integer=0.4, warnings=("too few",))
    same = {"lava": {"compared": 1234567, "mismatches": 0, "populations": []}}
    found = found.with_run(
        accuracy=rows, attack=attack, attacks=[attack], fidelity=same, sparsity={"integer": 0.9}
    )  # fmt: skip
    write(found, folder)
    return folder


@pytest.fixture(scope="module")
def wide(page):
    """Return what is found in a wide window, light."""
    return opened(page, width=1280, scheme=1)


@pytest.fixture(scope="module")
def phone(page):
    """Return what is found in a window as narrow as a phone, dark."""
    return opened(page, width=390, scheme=0)


def opened(page, *, width, scheme):
    """Return what `PROBE` finds on the page in a window of this width, with the faults that axe-core finds.

    The page stands in a frame, as the browser itself opens no window as narrow as a phone.
    """
    text = (page / "report.html").read_text(encoding="utf-8")
    axe = Path(AXE.origin).with_name("axe.min.js").read_text(encoding="utf-8") if AXE else ""
    probe = f"""<script>{axe}</script><script>window.onload = async () => {{ let found; {PROBE} {AXE_RUN if AXE else ""}
parent.document.body.setAttribute('data-found', JSON.stringify(found)); }};</script></body>"""
    frame = entities.escape(text.replace("</body>", probe))
    outer = f'<body style="margin: 0"><iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{frame}">'
    (page / "framed.html").write_text(f"<!doctype html><title>frame</title>{outer}</iframe></body>", encoding="utf-8")
    done = browser(
        page,
        *("--window-size=1400,1000", "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom"),
        *(f"--blink-settings=preferredColorScheme={scheme}", f"file://{page}/framed.html"),
    )
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr[-500:]
    return {**json.loads(entities.unescape(found[1])), "console": re.findall(r".*CONSOLE.*", done.stderr)}


def browser(page, *options):
    """Run the browser with a profile of its own."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page / 'profile'}", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_figures_are_drawn_without_a_complaint_and_without_the_network(wide, phone):
    assert wide["console"] == phone["console"] == []
    assert wide["loaded"] == phone["loaded"] == []
    assert wide["bars"] >= 2 + len(NETWORK.projections)
    assert wide["cells"] > 12


def test_an_unknown_part_has_the_same_width_in_every_bar(wide, phone):
    assert wide["unknown"] == phone["unknown"] == [14]


def brightness(colour):
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_dark_and_light_follow_the_reader(wide, phone):
    assert brightness(wide["paper"]) > brightness(wide["ink"])
    assert brightness(phone["paper"]) < brightness(phone["ink"])


def test_a_phone_scrolls_down_only_and_reads_figures_as_large_as_text(phone):
    assert phone["window"] == 390
    assert phone["wide"] <= phone["window"]
    assert set(phone["labels"]) == {phone["text"]}


def test_tables_wider_than_the_window_show_a_cue(phone):
    assert phone["clipped"] == phone["cues"] > 0


@pytest.mark.skipif(AXE is None, reason="no axe-core: pip install axe-core-python")
def test_axe_finds_no_fault_of_accessibility(wide, phone):
    assert wide["faults"] == phone["faults"] == []


@pytest.mark.slow
def test_a_print_shows_what_is_folded(page):
    """A page is as long in print as one on which all is unfolded."""
    text = (page / "report.html").read_text(encoding="utf-8")
    (page / "open.html").write_text(text.replace('<details class="fold">', "<details open>"), encoding="utf-8")
    assert printed(page, "report.html") == printed(page, "open.html") > 1


def printed(page, name):
    """Return the number of printed sheets."""
    target = page / "report.pdf"
    browser(page, "--no-pdf-header-footer", f"--print-to-pdf={target}", f"file://{page}/{name}")
    return len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))

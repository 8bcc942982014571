"""The page in a real browser: it opens without a complaint, draws its figures, and follows light and dark."""

import json
import re
import shutil
import subprocess

import pytest

from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.write import write

NETWORK = small_network()
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
PROBE = """<script>
const wide = svg => [...svg.querySelectorAll('rect')].filter(each => each.getBoundingClientRect().width > 0).length;
const drawn = [...document.querySelectorAll('svg')].map(svg => [svg.getAttribute('aria-label'), wide(svg)]);
const style = getComputedStyle(document.body);
const found = {drawn, paper: style.backgroundColor, ink: style.color, wide: document.documentElement.scrollWidth,
  window: window.innerWidth, loaded: performance.getEntriesByType('resource').map(entry => entry.name)};
document.body.setAttribute('data-found', JSON.stringify(found));
</script>"""
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    found = report(NETWORK, random_stimulus(NETWORK, 5, 0), ["loihi1", "loihi2", "cmos45_fp32"], relative_to=NETWORK)
    write(found, folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    (folder / "probed.html").write_text(text.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    return folder


def opened(page, *options, size="900,2000"):
    """Return what the probe found on the page, and what the browser printed to its console."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page / 'profile'}"]
    command += [
        f"--window-size={size}",
        "--enable-logging=stderr",
        *options,
        "--dump-dom",
        f"file://{page}/probed.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stdout[-500:]
    return json.loads(found[1].replace("&quot;", '"')), re.findall(r".*CONSOLE.*", done.stderr)


def test_figures_are_drawn_without_a_complaint_and_without_the_network(page):
    found, console = opened(page)
    assert console == []
    assert found["loaded"] == []
    drawn = dict(found["drawn"])
    assert drawn["spike rate"] >= 1
    assert drawn["operations per image"] >= 2
    assert drawn["energy split"] >= 3
    assert drawn["memory per core on loihi1"] >= 2
    assert drawn["memory per core on loihi2"] >= 2


def brightness(colour):
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_dark_and_light_follow_the_reader(page):
    light, _ = opened(page)
    dark, _ = opened(page, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
    assert brightness(light["paper"]) > brightness(light["ink"])
    assert brightness(dark["paper"]) < brightness(dark["ink"])


def test_a_phone_scrolls_down_only(page):
    found, _ = opened(page, size="500,900")
    assert found["wide"] <= found["window"]

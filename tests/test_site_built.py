"""The built site: it builds strictly, fails where a link breaks, and opens in a browser that reaches nothing else."""

import functools
import http.server
import importlib.util
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
OPENED = (
    *("index.html", "reference/api/running.html", "reference/command.html", "reference/profiles/loihi1.html"),
    *("results/robustness.html", "explanation/chip_rules.html"),
)
LOADED = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="(https?:[^"]*)"')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed; make docs does it"),
]


def built(out, *options):
    """Build the site without running tutorials; return the exit code and what was printed."""
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(out), *options]
    env = {**os.environ, "TUTORIALS": "skip", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    code, printed = built(out)
    assert code == 0, printed
    return out


told = queue.Queue()
"""What pages sent to the server."""


@pytest.fixture(scope="module")
def address(site):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            told.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_no_page_names_an_address_that_it_would_load_from(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="(https?:[^"]*)"', page.read_text("utf-8")
        )
        assert loaded == [], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?https?:", style.read_text("utf-8")), style


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")
@pytest.mark.parametrize("page", OPENED)
def test_a_page_opens_without_a_complaint_and_without_the_network(address, page, tmp_path):
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"),
        *("--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
        *("--virtual-time-budget=3000", "--dump-dom", f"{address}/{page}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert re.findall(r".*CONSOLE.*", done.stderr) == []
    assert "md-search__input" in done.stdout


AXE = importlib.util.find_spec("axe_core_python")
"""The package that carries axe-core, of the extra [dev]."""
EXAMINED = {(1280, 1): ("index",), (390, 0): ("quickstart",)}
"""Width of the window, and 1 for light or 0 for dark -> pages; axe-core takes seconds for each."""
FRAMES = """<!doctype html><title>frame</title><body><script type="module">
const found = {};
for (const page of PAGES) {
  const frame = document.createElement("iframe");
  frame.style = "border: 0; height: 900px; width: WIDTHpx";
  frame.src = page + ".html";
  await new Promise(loaded => { frame.onload = loaded; document.body.append(frame); });
  const inner = frame.contentDocument, axe = inner.createElement("script");
  await new Promise(loaded => { axe.onload = loaded; axe.src = "/axe.js"; inner.head.append(axe); });
  // The theme gives some of its own navigations the same name.
  const rules = { "landmark-unique": { enabled: false } };
  const faults = (await frame.contentWindow.axe.run({ rules })).violations;
  found[page] = faults.map(each => each.id + ": " + each.nodes.slice(0, 3).map(node => node.html).join(" | "));
  const wide = inner.documentElement.scrollWidth;
  if (wide > WIDTH) found[page].push("wide: " + wide);
  for (const each of inner.querySelectorAll("img:not([alt]), img[alt='']")) found[page].push("no alt: " + each.src);
  frame.remove();
}
await fetch("/found", { method: "POST", body: JSON.stringify(found) });
</script>"""
"""Examines pages one after the other, each in a frame, as the browser itself opens no window as narrow as a phone."""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")
@pytest.mark.skipif(AXE is None, reason="no axe-core: pip install axe-core-python")
@pytest.mark.parametrize(("width", "scheme"), EXAMINED, ids=["wide and light", "phone and dark"])
def test_axe_finds_no_fault_and_nothing_is_wider_than_the_window(site, address, tmp_path, width, scheme):
    pages = EXAMINED[width, scheme]
    shutil.copy(Path(AXE.origin).with_name("axe.min.js"), site / "axe.js")
    frames = FRAMES.replace("PAGES", json.dumps(pages)).replace("WIDTH", str(width))
    (site / "frames.html").write_text(frames, encoding="utf-8")
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"),
        *("--window-size=1400,1000", f"--blink-settings=preferredColorScheme={scheme}", "--remote-debugging-port=0"),
        f"{address}/frames.html",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as opened:
        try:
            assert json.loads(told.get(timeout=60)) == {page: [] for page in pages}
        finally:
            opened.terminate()


BROKEN = {
    "[there](counting.md#no-such-heading)": "contains a link 'counting.md#no-such-heading', but the doc 'counting.md'",
    "[nowhere](nowhere.md)": "contains a link 'nowhere.md', but the target is not found",
    "![no picture](pictures/none.svg)": "contains a link 'pictures/none.svg', but the target is not found",
}
"""What is written into a page, and what the build then says."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Return how the build of a copy ends with these links, and with a page that the navigation lacks."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("docs", "examples", "src", "toolchain", "export", "hardware_profiles"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text("utf-8").replace("      - coding.md\n", ""))
    with (copy / "docs" / "gradients.md").open("a", encoding="utf-8") as page:
        page.write("".join(f"\n{link}\n" for link in BROKEN))
    return built(copy / "out", "--config-file", str(copy / "mkdocs.yml"))


@pytest.mark.parametrize("link", BROKEN)
def test_a_broken_link_or_anchor_ends_the_build(broken, link):
    assert broken[0] == 1
    assert BROKEN[link] in broken[1]


def test_a_page_outside_of_the_navigation_ends_the_build(broken):
    assert broken[0] == 1
    assert re.search(r'not included in the "nav" configuration:\s*- coding\.md', broken[1])

"""The built site: it builds strictly, fails where a link breaks, and opens in a browser that reaches nothing else."""

import functools
import http.server
import importlib.util
import os
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


@pytest.fixture(scope="module")
def address(site):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

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

"""A page as a list of its fenced blocks, and what becomes of them in a scratch folder.

- python with a title 'FILE, with FRAMEWORK VERSION': is written to FILE and run by the framework's own Python;
- any other block whose title is a file's name: is written to that file, not run;
- python without a title: is run by our Python;
- bash: every line is a command; `spikeport` is this checkout's;
- text: what the block before it prints, line by line in this order; '...' stands for lines left out, and numbers may
  differ, but for those of a line that the block's comment calls exact.

A comment `<!-- exit code 1 -->` above a block says how its last command ends; other comments are left alone.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.oracles.howto import environments

ROOT = Path(__file__).parents[3]
HOWTO = ROOT / "docs" / "howto"
FENCE = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r'title="([^"]*)"')
FRAMEWORK = re.compile(r"(\S+), with (\S+) ([\d.]+)$")
ACCURACY = re.compile(r"accuracy(?: [A-Z]\w*)? ([\d.]+) ?%")
POINTS = 4.0
"""How far an accuracy may lie from the page's: training rounds otherwise on another processor."""
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
SPACE = re.compile(r"[\s=-]+")
LIMIT = 600


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block: its language, title and text, the comments above it, and what it printed."""

    language: str
    title: str
    text: str
    comments: str
    printed: str = ""

    @property
    def framework(self) -> str:
        """Return the folder of the framework that runs the block, empty where none does."""
        found = FRAMEWORK.match(self.title)
        return f"{found[2].lower()}-{found[3]}" if found else ""

    @property
    def exit_code(self) -> int:
        """Return how the block's last command ends."""
        found = re.search(r"exit code (\d+)", self.comments)
        return int(found[1]) if found else 0


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks in their order."""
    return [
        Block(language=language, title=(TITLE.search(rest) or ["", ""])[1], text=text, comments=comments)
        for comments, language, rest, text in FENCE.findall(page.read_text(encoding="utf-8"))
    ]


def frameworks(page: Path) -> list[str]:
    """Return the frameworks whose Python a page needs."""
    return [block.framework for block in blocks(page) if block.framework]


def play(page: Path, folder: Path) -> list[Block]:
    """Run a page's blocks in a folder; return them with what they printed. `AssertionError`: the first fault."""
    done: list[Block] = []
    for block in blocks(page):
        if block.language == "text":
            _compare(block, done[-1])
        else:
            done.append(replace(block, printed=_run(block, folder)))
    return done


def _run(block: Block, folder: Path) -> str:
    if block.framework:
        name = block.title.split(",")[0]
        (folder / name).write_text(block.text, encoding="utf-8")
        python, variables = environments.command(block.framework)
        return _call([*python, name], folder, variables, 0)
    if block.title:
        (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.title).write_text(block.text, encoding="utf-8")
        return ""
    if block.language == "python":
        return _call([sys.executable, "-c", block.text], folder, _ours(), block.exit_code)
    return _commands(block, folder) if block.language == "bash" else ""


def _commands(block: Block, folder: Path) -> str:
    lines = [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
    codes = [0] * (len(lines) - 1) + [block.exit_code]
    return "".join(_call(_argv(line), folder, _ours(), code) for line, code in zip(lines, codes, strict=True))


def _argv(line: str) -> list[str]:
    program, *arguments = shlex.split(line, comments=True)
    module = {"spikeport": "spikeport.toolchain.cli", "pytest": "pytest", "python": ""}[program]
    return [sys.executable, *(["-P", "-m", module] if module else []), *arguments]


def _ours() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"}


def _call(command: list[str], folder: Path, variables: dict[str, str], code: int) -> str:
    """Run a command and return what it prints, errors included; it has to end with ``code``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    printed = done.stderr + done.stdout
    assert done.returncode == code, f"{shlex.join(command)[:300]} ended with {done.returncode}:\n{printed}"
    return printed


def _compare(shown: Block, block: Block) -> None:
    """Compare what a page shows with what was printed, numbers apart; a line may break off with '...'."""
    lines = block.printed.splitlines()
    printed = [_masked(line) for line in lines]
    for line in shown.text.splitlines():
        wanted, open_ = _masked(line.removesuffix("...")), line.endswith("...")
        if not wanted:
            continue
        found = [i for i, each in enumerate(printed) if each == wanted or (open_ and each.startswith(wanted))]
        assert found, f"the page shows {line!r}, which is not, or not here, in:\n{block.printed}"
        _same_accuracy(line, lines[found[0]])
        printed, lines = printed[found[0] + 1 :], lines[found[0] + 1 :]


def _same_accuracy(shown: str, printed: str) -> None:
    pairs = zip(ACCURACY.findall(shown), ACCURACY.findall(printed), strict=False)
    assert all(abs(float(a) - float(b)) <= POINTS for a, b in pairs), (
        f"the page shows {shown!r}, printed is {printed!r}"
    )


def _masked(line: str) -> str:
    return SPACE.sub(" ", NUMBER.sub("#", line)).strip()

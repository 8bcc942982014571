"""What README and quickstart show is what the commands print; their verbs exist, and their links lead somewhere."""

import re
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from spikeport.export.errors import LavaError
from spikeport.export.lava import environment
from spikeport.toolchain import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 6
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "examples" / "digits")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert "exact; proof recomputed" in capsys.readouterr().out
    assert (tmp_path / "network.safetensors").is_file()


def sessions(page):
    """Return the commands behind '$' of a page, in order, each with the lines that the page shows of its output."""
    found = []
    for line in re.findall(r"^    (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        if line.startswith("$ spikeport "):
            found.append((line.removeprefix("$ spikeport "), []))
        elif found and not line.startswith(("make ", "python ")):
            found[-1][1].append(line)
    return found


def printed(command, monkeypatch, capsys):
    """Return what a command prints, its spaces made single; it has to end with exit code 0."""
    monkeypatch.setattr(sys, "argv", ["spikeport", *shlex.split(command)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    return " ".join(capsys.readouterr().out.split())


def no_lava():
    raise LavaError("left out, since it takes many seconds; its integers are those of ONNX")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "quickstart.md"], ids=lambda page: page.stem)
def test_commands_print_what_the_page_shows(page, tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "examples" / "digits")
    with zipfile.ZipFile(ROOT / "docs" / "tutorials" / "files" / "snntorch_conv.zip") as example:
        example.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "python", no_lava)
    commands = sessions(page)
    assert [command.split()[0] for command, _ in commands] == ["identify", "quantize", "check", "report"]
    for command, shown in commands:
        found = printed(command, monkeypatch, capsys)
        for line in shown:
            words = " ".join(line.removesuffix("...").replace("lava against", "onnx against").split())
            assert words in found, f"{command} prints no {words!r}"


def test_every_verb_is_in_the_table():
    verbs = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    verbs |= {group.name for group in cli.app.registered_groups}
    rows = re.findall(r"^\| (`spikeport [^|]+) \|", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(?:spikeport )?([\w-]+)`", row)}
    assert verbs == named


def test_readme_is_short_and_begins_with_input_command_and_output():
    lines = README.splitlines()
    assert len(lines) <= 105
    screen = "\n".join(lines[:32])
    assert all(words in screen for words in ("`conv.nir`", "$ spikeport quantize conv.nir", "wrote report/report.html"))
    assert re.findall(r"^    (make \w+) ", README, re.MULTILINE) == ["make demo", "make test"]


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):  # pages of the site: tests/test_site.py
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"

"""The README's example runs, its verbs exist, and its links lead somewhere."""

import re
import shutil
from pathlib import Path

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


def test_every_verb_is_in_the_table():
    verbs = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    assert verbs <= set(re.findall(r"\| `spikeport ([\w-]+)", README))


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):  # pages of the site: tests/test_site.py
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"

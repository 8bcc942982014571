"""What a newcomer is shown: verbs by purpose, an example of each that parses, versions, completion, missing samples."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from spikeport.hardware_profiles.profile import profile_names
from spikeport.toolchain import cli
from spikeport.toolchain.commands import analyze, completion, lava, profiles
from spikeport.toolchain.commands.version import BESIDE
from spikeport.toolchain.recipes.reader import embedded_names
from tests.toolchain.invoking import invoke, small_files

GROUPS = {"profiles": profiles.app, "lava": lava.app, "analyze": analyze.app}


def every_command():
    """Return the click command of every verb by its words."""
    top = typer.main.get_command(cli.app)
    found = {}
    for name, command in top.commands.items():
        inner = getattr(command, "commands", {})
        found |= {(name, each): below for each, below in inner.items()} if inner else {(name,): command}
    return found


COMMANDS = every_command()
NO_JSON = {("report",): "writes report.json into its folder"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_the_command_takes(words):
    command = COMMANDS[words]
    (line,) = re.findall(r"Example: (spikeport .*)", command.help)
    program, *arguments = shlex.split(line)
    assert (program, *arguments[: len(words)]) == ("spikeport", *words)
    assert command.make_context("spikeport", arguments[len(words) :]).params


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_verb_writes_json(words):
    options = {option for parameter in COMMANDS[words].params for option in parameter.opts}
    assert ("--json" in options) != (words in NO_JSON)


def test_help_groups_the_verbs_by_what_people_do(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    panels = [cli.BRING, cli.MAKE, cli.EXACT, cli.COSTS, cli.ROBUSTNESS, cli.ENVIRONMENT]
    places = [shown.index(f"─ {panel} ") for panel in panels]
    assert places == sorted(places)
    assert shown.index(" profiles ") > shown.index(f"─ {cli.COSTS} ")
    assert "─ Commands " not in shown


def test_options_of_a_group_stand_in_a_panel_of_their_own(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    shown = CliRunner().invoke(cli.app, ["simulate", "--help"]).output
    start = shown.index("How the input is read")
    assert shown.index("--unit") > start
    assert shown.index("--executor") < start


def test_version_tells_what_computes_and_loads_none_of_it():
    probe = (
        "import sys; from spikeport.toolchain import cli; sys.argv = ['spikeport', '--version']\n"
        f"try: cli.main()\nfinally: print([name for name in {BESIDE!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"spikeport \d+\.\d+\.\d+.*", lines[0])
    assert lines[1].startswith("Python 3.")
    assert [line.split()[0] for line in lines[2:-1]] == list(BESIDE)
    assert lines[-1] == "[]"


def completed(text):
    """Return what bash is offered for a line that ends in ``text``."""
    words = ["spikeport", *text.split(" ")]
    return asked("bash", COMP_WORDS=" ".join(words), COMP_CWORD=str(len(words) - 1))[1].split()


def asked(shell, **variables):
    """Return exit code and answer to what the completion script of a shell asks."""
    variables["_SPIKEPORT_COMPLETE"] = f"complete_{shell}"
    program = "import sys; sys.argv = ['spikeport']; from spikeport.toolchain import cli; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )
    return done.returncode, done.stdout.strip()


def in_fish(text, action):
    return asked("fish", _TYPER_COMPLETE_ARGS=f"spikeport {text}", _TYPER_COMPLETE_FISH_ACTION=action)


def test_zsh_and_fish_get_names_with_descriptions_and_complete_files_themselves():
    """As the scripts ask that --show-completion prints; docs/quickstart.md says with which shells these ran."""
    assert asked("zsh", _TYPER_COMPLETE_ARGS="spikeport sim")[1].startswith(
        '_arguments \'*: :(("simulate":"Run a network'
    )
    assert asked("zsh", _TYPER_COMPLETE_ARGS="spikeport simulate exam")[1] == "_files"
    assert in_fish("sim", "get-args")[1].startswith("simulate\tRun a network")
    assert in_fish("run di", "get-args")[1].split() == ["digits", "digits_99", "digits_fast"]
    assert (in_fish("run di", "is-args")[0], in_fish("simulate exam", "is-args")[0]) == (0, 1)


def test_shell_completes_verbs_recipes_and_profiles_and_files_itself():
    assert completed("sim") == ["simulate"]
    assert completed("run di") == ["digits", "digits_99", "digits_fast"]
    assert completed("report net --profile loihi2") == ["loihi2"]
    assert completed("simulate exam") == []  # bash's own completion of files goes on (-o default)


def test_completed_names_are_those_that_verbs_take():
    assert completion.profiles("") == sorted(profile_names())
    assert completion.profiles("speck,loihi1")[0] == "speck,loihi1"
    assert completion.recipes("") == sorted(embedded_names())


@pytest.mark.parametrize("verb", ["simulate", "report", "what-if", "attack"])
def test_verb_without_samples_says_which_the_network_takes(monkeypatch, capsys, tmp_path, verb):
    network = small_files(tmp_path) / "network.safetensors"
    code, out, err = invoke(monkeypatch, capsys, verb, network)
    assert (code, out) == (2, "")
    first, *lines = err.splitlines()
    assert first == "spikeport: samples are missing: give them by --input"
    assert lines[0] == f"  {network} takes spikes, 0 or 1, T = 4 steps a sample"
    assert "(N, 6), each sample held over the steps, or (N, 4, 6), step by step" in lines[1]
    assert f"for instance: spikeport {verb} {network} --input samples.npz" in lines[-1]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_help_holds_what_its_printer_takes_for_markup(words):
    command = COMMANDS[words]
    texts = [command.help, *(parameter.help or "" for parameter in command.params)]
    assert [text for text in texts if re.search(r"\[[a-z]+\]", text)] == []

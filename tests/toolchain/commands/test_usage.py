"""A command line that is not understood: one sentence of ours names the option, and a line that the verb takes."""

import re
import shlex

import pytest

from tests.toolchain.commands.test_help import COMMANDS
from tests.toolchain.invoking import invoke

NEEDING = [words for words, command in COMMANDS.items() if any(each.required for each in command.params)]


def names(command):
    """Return what the verb cannot do without, as users know it."""
    needed = [each for each in command.params if each.required]
    return [each.opts[0] if each.param_type_name == "option" else each.name for each in needed]


def refused(monkeypatch, capsys, *arguments):
    """Return the one line that a command with exit code 2 says."""
    code, out, err = invoke(monkeypatch, capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err.removeprefix("spikeport: ").rstrip("\n")


@pytest.mark.parametrize("words", NEEDING, ids=" ".join)
def test_verb_alone_names_all_that_it_needs_and_a_line_that_it_takes(words, monkeypatch, capsys):
    said = refused(monkeypatch, capsys, *words)
    missing, _, line = said.partition("; for instance: ")
    assert re.match(", ".join(names(COMMANDS[words])).replace(", ", "(, | and )") + " (is|are) missing", missing)
    program, *arguments = shlex.split(line)
    assert (program, *arguments[: len(words)]) == ("spikeport", *words)
    assert COMMANDS[words].make_context("spikeport", arguments[len(words) :]).params


LINES = {
    "one option": (
        "import net.nir",
        "--out is missing: archive to write; for instance: spikeport import net.nir --out network.safetensors",
    ),
    "two options": (
        "identify 'my net.nir'",
        "--input and --output are missing; for instance: spikeport identify 'my net.nir' --input x.npz --output y.npz",
    ),
    "an argument": (
        "import --out net",
        "network is missing: NIR (.nir) or lava-dl (.net); for instance: spikeport import --out net model.nir",
    ),
    "no option": (
        "import net.nir --out net --stpes 3",
        "no option --stpes; did you mean --most or --steps? (spikeport import --help shows what there is)",
    ),
    "no verb": ("imoprt", "no verb 'imoprt'; did you mean 'import'? (spikeport --help shows what there is)"),
    "no verb of a group": (
        "profiles shwo",
        "no verb 'shwo'; did you mean 'show'? (spikeport profiles --help shows what there is)",
    ),
    "too much": (
        "import net.nir b --out net",
        "more arguments than the verb takes: b (spikeport import --help shows what there is)",
    ),
    "no number": ("import net.nir --steps x --out net", "--steps is 'x': expected a whole number"),
    "number with =": ("import net.nir --steps=x --out net", "--steps is 'x': expected a whole number"),
    "too small": (
        "attack net --images 0",
        "--images is '0': expected a number greater than or equal to 1",
    ),
    "no value": ("import net.nir --out", "--out is given without a value"),
    "a value of a flag": ("attack net --resume=3", "--resume takes no value"),
    "numbers": ("attack net --input i --eps abc", "--eps: 'abc' is no list of numbers, for instance 0.5 or"),
    "one of several": (
        "analyze trade-off --robust FGSM=50 --robust PGD=x",
        "--robust: 'PGD=x' is no accuracy; expected NAME=PERCENT",
    ),
    "no option's": ("run digits --tls-ca ca.pem", "--tls-ca, --tls-cert and --tls-key go together"),
}


@pytest.mark.parametrize("line", LINES)
def test_what_is_wrong_is_one_sentence(line, monkeypatch, capsys):
    given, sentence = LINES[line]
    said = refused(monkeypatch, capsys, *shlex.split(given))
    assert said == sentence or said.startswith((sentence + " ", sentence + ","))

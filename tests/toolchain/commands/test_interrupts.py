"""Ctrl-C: exit code 130, one line with the command that goes on, and nothing half-written."""

import shlex

import numpy as np
import pytest

from spikeport.export import simulation
from spikeport.toolchain.verbs import analyze, attack, networks, recipes
from tests.toolchain.invoking import invoke, small_files


def interrupted(*_, **__):
    raise KeyboardInterrupt


def advice(err):
    """Return the words of the command that the last line ends with."""
    (line,) = [line for line in err.splitlines() if line.startswith("spikeport: interrupted; ")]
    assert "Traceback" not in err
    return line, shlex.split(line[line.index(": spikeport ") + 2 :])


def test_simulate_goes_on_with_the_parts_that_are_done(monkeypatch, capsys, tmp_path):
    small_files(tmp_path)
    monkeypatch.setattr(simulation, "PART", 5)
    part, calls = simulation._part, []

    def second_is_interrupted(*args, **options):
        calls.append(args)
        return part(*args, **options) if len(calls) != 2 else interrupted()

    monkeypatch.setattr(simulation, "_part", second_is_interrupted)
    arguments = ("simulate", tmp_path / "network.safetensors", "--input", tmp_path / "samples.npz")
    code, out, err = invoke(monkeypatch, capsys, *arguments, "--out", tmp_path / "s.npz")
    line, words = advice(err)
    assert (code, out, "finished parts" in line) == (130, "", True)
    assert words == ["spikeport", *map(str, arguments), "--out", str(tmp_path / "s.npz"), "--resume"]
    assert not (tmp_path / "s.npz").exists()
    del calls[:]
    code, _, err = invoke(monkeypatch, capsys, *words[1:])
    assert (code, advice(err)[1]) == (130, words)
    del calls[:]
    calls += ["none is the second"] * 2
    code, _, _ = invoke(monkeypatch, capsys, *words[1:])
    assert (code, len(calls) - 2) == (0, 1)  # each of both runs before has finished one
    with np.load(tmp_path / "s.npz") as file:
        assert len(file["classes"]) == 12


@pytest.mark.parametrize(
    ("more", "said"), [((), "nothing is kept without --out"), (("--save-spikes", "{tmp}/x.npz"), "made in one go")]
)
def test_simulate_says_where_nothing_is_kept(monkeypatch, capsys, tmp_path, more, said):
    small_files(tmp_path)
    monkeypatch.setattr(simulation, "_part", interrupted)
    more = [each.format(tmp=tmp_path) for each in more]
    arguments = ("simulate", tmp_path / "network.safetensors", "--input", tmp_path / "samples.npz", *more)
    before = sorted(tmp_path.iterdir())
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    line, words = advice(err)
    assert (code, said in line) == (130, True)
    assert words[: 1 + len(arguments)] == ["spikeport", *map(str, arguments)]
    assert sorted(tmp_path.iterdir()) == before


def test_attack_goes_on_with_the_same_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(attack, "attack", interrupted)
    arguments = ("attack", "model.safetensors", "--input", "x.npz", "--out", tmp_path / "a b")
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    assert (code, advice(err)[1]) == (130, ["spikeport", *map(str, arguments)])


def test_analysis_starts_again(monkeypatch, capsys):
    monkeypatch.setattr(analyze, "analyze_obfuscation", interrupted)
    arguments = ("analyze", "obfuscation", "model.safetensors", "--input", "x.npz")
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    line, words = advice(err)
    assert (code, words, "keeps no finished parts" in line) == (130, ["spikeport", *arguments], True)


def test_run_goes_on_in_its_folder_once_its_recipe_lies_there(monkeypatch, capsys, tmp_path):
    out = tmp_path / "run"

    def begun(*_, **__):
        out.mkdir(exist_ok=True)
        (out / "run.json").write_text("{}")
        raise KeyboardInterrupt

    arguments = ("run", "digits", "--out", out, "--to", "dense", "--extend", tmp_path)
    monkeypatch.setattr(recipes, "run", interrupted)
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    assert (code, advice(err)[1]) == (130, ["spikeport", *map(str, arguments)])
    monkeypatch.setattr(recipes, "run", begun)
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    assert code == 130
    expected = ["run", "--resume", "--out", str(out), "--to", "dense", "--extend", str(tmp_path)]
    assert advice(err)[1] == ["spikeport", *expected]


def test_any_other_verb_starts_again(monkeypatch, capsys, tmp_path):
    small_files(tmp_path)
    monkeypatch.setattr(networks, "quantize", interrupted)
    arguments = ("quantize", tmp_path / "float.safetensors", "--out", tmp_path / "n.safetensors")
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    assert (code, advice(err)[1]) == (130, ["spikeport", *map(str, arguments)])

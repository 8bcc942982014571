"""The verb and the command: rules are found, left beside the file, and used by import and quantize."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import tomllib

import spikeport
from spikeport.export.errors import AmbiguousOrigin, FormatError, StimulusError
from spikeport.export.nir_import.dialect import AT_THRESHOLD, Dialect
from spikeport.toolchain import cli
from spikeport.toolchain.commands import exits
from spikeport.toolchain.verbs.identify import _apart, identify
from spikeport.toolchain.verbs.networks import ImportSettings
from spikeport.toolchain.verbs.rules import by_name
from tests.export.nir_import.test_origin import CASES


@pytest.fixture
def recorded(tmp_path):
    """A file of snnTorch's RLeaky with reset_delay=False, its input, and its spikes."""
    model = tmp_path / "model.nir"
    model.write_bytes((CASES / "RLeaky_False.nir").read_bytes())
    with np.load(CASES / "RLeaky_False.npz") as file:
        inputs, spikes = file["input"], file["spikes"]
    np.savez(tmp_path / "x.npz", input=inputs)
    np.savez(tmp_path / "y.npz", lif=spikes)
    np.save(tmp_path / "wrong.npy", 1 - spikes)
    return tmp_path


def command(monkeypatch, *arguments):
    """Run the command and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["spikeport", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        exits.run(cli.app)
    return end.value.code


def test_rules_found_are_used_by_import_and_quantize(recorded, monkeypatch, capsys):
    model, out = recorded / "model.nir", recorded / "out.safetensors"
    with pytest.raises(AmbiguousOrigin):
        spikeport.import_nir(model, settings=ImportSettings(steps=40))
    assert command(monkeypatch, "import", model, "--steps", 40, "--out", out) == 2
    assert "snnTorch wrote it" in capsys.readouterr().err
    assert not out.exists()
    files = ("--input", recorded / "x.npz", "--output", recorded / "y.npz", "--json", recorded / "r.json")
    assert command(monkeypatch, "identify", model, *files) == 0
    said = capsys.readouterr().out
    assert said.startswith("reproduces 2,560 values of 4 samples of 40 steps exactly\nsnntorch: ")
    assert "warning" not in said
    assert f"wrote {recorded / 'model.dialect.toml'}" in said
    left = tomllib.loads((recorded / "model.dialect.toml").read_text())
    assert (left["dialect"]["name"], left["dialect"]["reset"]) == ("snntorch", "hard")
    assert json.loads((recorded / "r.json").read_text())["dialect"]["reset"] == "hard"
    assert command(monkeypatch, "import", model, "--steps", 40, "--out", out) == 0
    assert "rules from" in capsys.readouterr().out
    assert command(monkeypatch, "quantize", model, "--steps", 40, "--out", out) == 0
    assert "rules from" in capsys.readouterr().out


def test_guess_warns_on_standard_error_and_in_the_assumptions(recorded, monkeypatch, capsys):
    out = recorded / "out.safetensors"
    arguments = ("import", recorded / "model.nir", "--steps", 40, "--out", out)
    assert command(monkeypatch, *arguments, "--guess") == 0
    captured = capsys.readouterr()
    assert "spikeport: warning: guessed" in captured.err
    assert "warning: guessed" in captured.out
    assert command(monkeypatch, *arguments, "--dialect", "snntorch", "--reset", "hard") == 0
    assert capsys.readouterr().err == ""


def test_rules_that_reproduce_nothing_are_a_bad_verdict_with_the_place(recorded):
    settings = ImportSettings(dialect="snntorch", reset="late")
    found = identify(recorded / "model.nir", recorded / "x.npz", recorded / "wrong.npy", settings=settings)
    assert not found.passed
    assert found.written is None
    assert not (recorded / "model.dialect.toml").exists()
    assert "the closest differ first at layer 'lif', sample 0, step 0, neuron [" in found.reasons[0]
    assert found.to_dict()["difference"]["layer"] == "lif"
    assert "of 2,560 values differ" in found.text()


def test_a_recording_without_a_spike_is_refused(recorded):
    """Any rules reproduce it."""
    with np.load(CASES / "RLeaky_False.npz") as file:
        silent, spikes = np.zeros_like(file["input"]), np.zeros_like(file["spikes"])
    with pytest.raises(StimulusError, match=r"holds no spike of 'lif', which any rules reproduce"):
        identify(recorded / "model.nir", silent, spikes, settings=ImportSettings(dialect="snntorch"))


@pytest.mark.parametrize("sample", [0, 3])
def test_one_wrong_value_leaves_the_right_rules_the_closest(recorded, sample):
    with np.load(CASES / "RLeaky_False.npz") as file:
        inputs, spikes = file["input"], file["spikes"].copy()
    right = identify(recorded / "model.nir", inputs, spikes, write=False).dialect
    spikes[sample, 12, 0] = 1 - spikes[sample, 12, 0]
    found = identify(recorded / "model.nir", inputs, spikes, write=False)
    assert not found.passed
    assert found.dialect == right
    assert 1 <= found.found.different <= 3


def test_a_recording_that_tells_nothing_apart_is_a_guess_and_says_so(recorded):
    """Up to the first spike every reset reproduces it."""
    with np.load(CASES / "RLeaky_False.npz") as file:
        inputs, spikes = file["input"], file["spikes"]
    first = 1 + int(np.flatnonzero(spikes.any(axis=(0, 2)))[0])
    found = identify(
        recorded / "model.nir",
        inputs[:, :first],
        spikes[:, :first],
        settings=ImportSettings(dialect="snntorch"),
        write=False,
    )
    assert len(found.others) > 1
    lines = found.text().splitlines()
    assert lines[0].endswith(f"exactly, as do {len(found.others):,} other sets of rules")
    (warning,) = (line for line in lines if line.startswith("warning: "))
    assert warning.startswith("warning: the first is taken, a guess")
    hidden = len(found.others) - 5
    assert hidden <= 0 or f"{hidden:,} more are not shown" in warning


def test_a_recording_that_does_not_fit_is_refused_with_its_files(recorded):
    with np.load(CASES / "RLeaky_False.npz") as file:
        np.save(recorded / "few.npy", file["spikes"][:, :3])
    with pytest.raises(StimulusError, match=rf"do not agree.*\(recorded in {recorded}/x.npz and {recorded}/few.npy\)"):
        identify(recorded / "model.nir", recorded / "x.npz", recorded / "few.npy")


def test_arrays_are_taken_as_they_are_and_nothing_is_written_unasked(recorded):
    with np.load(CASES / "RLeaky_False.npz") as file:
        inputs, spikes = file["input"], file["spikes"]
    found = identify(recorded / "model.nir", inputs, spikes, write=False)
    assert found.passed
    assert found.dialect.reset == "hard"
    assert not (recorded / "model.dialect.toml").exists()


def test_settings_say_every_rule(recorded):
    settings = ImportSettings(
        dialect="nir",
        dt=1e-4,
        reset="subtract",
        most="any",
        floor=-1,
        rules=by_name(["inclusive=true", "start=zero"]),
        steps=4,
    )
    text = spikeport.import_nir(recorded / "model.nir", settings=settings).text()
    assert "v >= threshold, as often as thresholds fit" in text
    assert "v never falls below -1" in text


@pytest.mark.parametrize("text", ["inclusive", "=true", "inclusive="])
def test_rule_without_a_value_is_refused(text):
    with pytest.raises(FormatError, match="expected NAME=VALUE"):
        by_name([text])


def test_damaged_recordings_are_refused(recorded):
    (recorded / "cut.npz").write_bytes((recorded / "x.npz").read_bytes()[:200])
    (recorded / "text.npy").write_bytes(b"no array")
    np.savez(recorded / "two.npz", a=np.ones(3), b=np.ones(3))
    for name in ("cut.npz", "text.npy", "two.npz", "none.npz"):
        with pytest.raises(StimulusError, match=name.replace(".", r"\.")):
            identify(recorded / "model.nir", recorded / name, recorded / "y.npz")


def test_rules_that_lack_a_clause_are_told_apart_in_words():
    floored = Dialect(name="sinabs", floor=AT_THRESHOLD)
    assert _apart(replace(floored, floor=None), floored) == "sinabs: without 'v never falls below minus its threshold'"
    assert _apart(floored, replace(floored, floor=None)) == "sinabs: v never falls below minus its threshold"

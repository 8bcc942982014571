"""The command as users start it: exit codes, one sentence per fault, nothing half-written, a quick --help."""

import dataclasses
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeport.export import archive
from spikeport.export.cluster import Cluster, Tls
from spikeport.export.network import Dense, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.quantize import quantize as folded_integers
from spikeport.export.stimulus import InputSettings
from spikeport.toolchain import cli
from spikeport.toolchain.commands import analyze as analyze_command
from spikeport.toolchain.commands import lava as lava_command
from spikeport.toolchain.commands import profiles as profiles_command
from spikeport.toolchain.verbs import (
    analyze,
    checking,
    coding,
    costs,
    identify,
    lava,
    networks,
    profiles,
    recipes,
    simulation,
    thresholds,
    trade_off,
)
from spikeport.toolchain.verbs import attack as attacking
from spikeport.toolchain.verbs import convert as converting
from spikeport.toolchain.verbs import gradients as measuring
from spikeport.toolchain.verbs.attack_settings import AttackSettings
from spikeport.toolchain.verbs.converted import ConvertSettings
from tests.export.engine.kernel_mutants import KERNELS, apply, force
from tests.spent import processor_seconds
from tests.toolchain.invoking import invoke
from tests.toolchain.networks import RECIPE


def call(*arguments, **variables):
    """Run the command in its own process."""
    return subprocess.run(
        [sys.executable, "-m", "spikeport.toolchain.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, **variables},
    )


def test_help_is_quick_and_lists_every_verb():
    spent = []
    for _ in range(3):
        before = processor_seconds()
        done = call("--help")
        spent.append(processor_seconds() - before)
    assert done.returncode == 0
    for verb in ("demo", "run", "quantize", "attack", "export", "simulate", "check", "report", "profiles", "lava"):
        assert verb in done.stdout
    assert min(spent) < 1


@pytest.mark.parametrize(
    "code", ["import spikeport.toolchain.cli", "import spikeport; spikeport.profile_names(), spikeport.quantize"]
)
def test_light_verbs_do_not_load_torch(code):
    probe = f"import sys; {code}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


VERBS = {
    "analyze_gradients": (measuring.analyze_gradients, ()),
    "analyze_obfuscation": (analyze.analyze_obfuscation, (analyze.ObfuscationSettings,)),
    "analyze_coding": (coding.analyze_coding, ()),
    "analyze_trade_off": (trade_off.analyze_trade_off, ()),
    "analyze_thresholds": (thresholds.analyze_thresholds, (thresholds.ThresholdSettings,)),
    "compare_thresholds": (thresholds.compare_thresholds, ()),
    "demo": (recipes.demo, ()),
    "run": (recipes.run, (recipes.RunSettings, Cluster, Tls)),
    "import_network": (networks.import_network, (networks.ImportSettings,)),
    "quantize": (networks.quantize, (networks.QuantizeSettings, InputSettings, networks.ImportSettings)),
    "convert": (converting.convert, (ConvertSettings,)),
    "identify": (identify.identify, (networks.ImportSettings,)),
    "export": (networks.export_network, ()),
    "attack": (attacking.attack, (AttackSettings, Cluster, Tls)),
    "simulate": (
        simulation.simulate,
        (simulation.SimulationSettings, InputSettings, Cluster, Tls, networks.ImportSettings),
    ),
    "check": (checking.check, (checking.CheckSettings, InputSettings)),
    "report": (costs.report, (InputSettings, networks.ImportSettings)),
    "what_if": (costs.what_if, (costs.Variations, InputSettings)),
    "profiles_show": (profiles.show_profile, ()),
    "lava_install": (lava.lava_install, ()),
    "lava_doctor": (lava.lava_doctor, ()),
}
"""Each verb of the command: the function that it calls, and its settings."""
OTHER_NAMES = {
    "input": "images",
    "eps": "epsilons",
    "float": "float_model",
    "batch": "batch_size",
    ("attack", "images"): "images",
    "delta": "deltas",
    "random": "samples",
    "profile": "profiles",
    "sparsity": "sparsities",
    "encoding": "encodings",
    "scheduler": "address",
    "tls_ca": "ca",
    "tls_cert": "cert",
    "tls_key": "key",
    "rule": "rules",
    "set": "settings",
    ("import_network", "network"): "path",
    ("analyze_obfuscation", "eps"): "epsilon",
    ("analyze_thresholds", "network"): "networks",
    ("analyze_gradients", "images"): "count",
    ("analyze_coding", "encoder"): "encoders",
    ("analyze_trade_off", "eps"): "epsilon",
    ("identify", "network"): "model",
    ("identify", "input"): "inputs",
    ("identify", "output"): "outputs",
    ("quantize", "for"): "target",
    ("convert", "input"): "held_out",
    ("convert", "sparsity"): "sparsity",
    ("report", "float"): "float_network",
    ("report", "raster"): "rasters",
    "for": "chips",
}
"""Options that are called otherwise in Python, where they are sequences or where a name is taken."""
WRITTEN_APART = {"check": {"junit"}, "run": {"dry_run", "write"}}
"""Options that are methods of the result in Python, or another function (`recipes.forecast`)."""
SAVED = ("csv", "latex", "save_figures")
"""Those of `toolchain.saving`: in Python `spikeport.write_tables` and `spikeport.write_figures`."""


def commands():
    """Return every command by the name of its function."""
    groups = (cli.app, profiles_command.app, lava_command.app, analyze_command.app)
    return {command.callback.__name__: command.callback for group in groups for command in group.registered_commands}


def test_every_command_has_its_function():
    assert commands().keys() == VERBS.keys()


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_an_argument_or_a_setting_with_the_same_default(name):
    function, settings = VERBS[name]
    options = {key.rstrip("_"): p.default for key, p in inspect.signature(commands()[name]).parameters.items()}
    given = {key.rstrip("_"): p.default for key, p in inspect.signature(function).parameters.items()}
    for each in settings:
        given |= {field.name: field.default for field in dataclasses.fields(each)}
    for option, default in options.items():
        if option == "json" or option in SAVED or option in WRITTEN_APART.get(name, ()):
            continue
        ours = given[OTHER_NAMES.get((name, option), OTHER_NAMES.get(option, option))]
        expected = ",".join(map(str, ours)) if isinstance(default, str) and isinstance(ours, tuple) else ours
        unset = default is None and (isinstance(ours, tuple) or ours in (dataclasses.MISSING, inspect.Parameter.empty))
        required = default is inspect.Parameter.empty
        assert unset or required or (name, option) in OWN_DEFAULTS or default == expected, option


OWN_DEFAULTS = {
    *((verb, "workers") for verb in ("simulate", "run", "attack")),
    *((verb, "out") for verb in ("report", "attack")),
    ("attack", "eps"),
}
"""The command writes to a folder with the verb's name, one worker is no cluster, and epsilons are a text."""


def test_good_verdict_exits_with_0(monkeypatch, capsys, tiny_run):
    code, out, err = invoke(
        monkeypatch, capsys, "check", tiny_run / "quantize/network.safetensors", "--random", 3, "--executors", "onnx"
    )
    assert (code, err) == (0, "")
    assert "onnx against fast" in out


def test_bad_verdict_exits_with_1(monkeypatch, capsys, tiny_run, tmp_path):
    """Weights at the largest exponent can overflow a register; the executors that run it agree."""
    network = archive.read_integer(tiny_run / "quantize/network.safetensors")
    unsafe = replace(network, projections=tuple(replace(p, exponent=15) for p in network.projections))
    archive.write(unsafe, tmp_path / "unsafe.safetensors")
    arguments = ("check", tmp_path / "unsafe.safetensors", "--random", 2, "--executors", "reference")
    code, out, _ = invoke(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "exact; no proof" in out
    code, out, _ = invoke(monkeypatch, capsys, *arguments, "--unproven")
    assert code == 0


@pytest.fixture
def narrow(tmp_path):
    """Return archives: a float network of 300 weights of one size, and its integers in Lava's arithmetic."""
    archive.write(wide_network(), tmp_path / "float.safetensors")
    archive.write(folded_integers(wide_network()), tmp_path / "integer.safetensors")
    return tmp_path


def wide_network():
    """Return 300 inputs of one weight into a neuron, and a readout."""
    populations = (
        FloatPopulation(name="input", shape=(300,), neuron=Source(levels=1, unit=1.0)),
        FloatPopulation(name="a", shape=(1,), neuron=FloatNeuron(threshold=np.array(40.0))),
        FloatPopulation(name="readout", shape=(1,), neuron=FloatNeuron(threshold=None)),
    )
    first, second = Dense(weight=np.full((1, 300), 127.0)), Dense(weight=np.ones((1, 1)))
    projections = (
        FloatProjection(source="input", target="a", stages=(first,)),
        FloatProjection(source="a", target="readout", stages=(second,)),
    )
    return FloatNetwork(populations=populations, projections=projections, steps=4)


def test_a_chip_that_is_asked_for_and_does_not_run_the_network_is_a_bad_verdict(monkeypatch, capsys, narrow):
    check = ("check", narrow / "integer.safetensors", "--random", 2, "--executors", "onnx")
    code, out, err = invoke(monkeypatch, capsys, *check)
    assert (code, "warning" in err) == (0, False)
    assert "does not run on loihi1:\npopulation a (accumulator): a step can add up 0..2,438,400" in out
    assert "not known whether it runs on loihi2" in out
    code, out, _ = invoke(monkeypatch, capsys, *check, "--for", "loihi1, loihi2", "--json", narrow / "v.json")
    assert code == 1
    written = json.loads((narrow / "v.json").read_text())
    assert {name: chip["runs"] for name, chip in written["chips"].items()} == {"loihi1": False, "loihi2": None}
    assert written["chips"]["loihi1"]["failures"][0]["found"] == [0, 2438400]
    assert written["reasons"][0].startswith("does not run on loihi1: population a (accumulator)")
    code, _, err = invoke(monkeypatch, capsys, *check, "--for", "loihi2")
    assert code == 0
    assert "spikeport: warning: not known whether it runs on loihi2" in err


def test_integers_for_a_chip_run_on_it(monkeypatch, capsys, narrow):
    quantize = ("quantize", narrow / "float.safetensors", "--out", narrow / "chip.safetensors")
    code, out, _ = invoke(monkeypatch, capsys, *quantize)
    assert code == 0
    assert "in Lava's arithmetic:" in out
    assert "formats: the widest that either Loihi is known to hold; --for loihi1 keeps to a chip's own" in out
    code, out, _ = invoke(monkeypatch, capsys, *quantize, "--for", "loihi1")
    assert code == 0
    assert "whatever the input, in the formats of loihi1:" in out
    assert "runs on loihi1: every rule of the chip holds" in out
    check = ("check", narrow / "chip.safetensors", "--random", 2, "--executors", "onnx", "--for", "loihi1")
    code, out, _ = invoke(monkeypatch, capsys, *check, "--junit", narrow / "v.xml")
    assert code == 0
    assert "runs on loihi1: every rule of the chip holds" in out
    assert 'name="loihi1" tests="1" failures="0"' in (narrow / "v.xml").read_text()


def test_a_report_fails_for_a_chip_that_does_not_run_the_network(monkeypatch, capsys, narrow):
    np.save(narrow / "x.npy", np.ones((1, 300), np.uint8))
    report = ("report", narrow / "integer.safetensors", "--input", narrow / "x.npy", "--out", narrow / "r")
    for chips, expected in (((), 0), (("--for", "loihi1"), 1), (("--for", "loihi2"), 0), (("--for", "truenorth"), 1)):
        code, out, _ = invoke(monkeypatch, capsys, *report, "--profile", "loihi2", *chips)
        assert code == expected
        assert ("FAILED:\ndoes not run on" in out) is (expected == 1)
    written = json.loads((narrow / "r" / "report.json").read_text())
    assert (set(written["chips"]), written["schema"]) == ({"loihi2", "truenorth"}, 4)


LABELS = "labels.npz: sample 1 has label 10; expected labels 0 to 9: the network has 10 classes"
FAULTS = {
    "chip of prices": ("check {network} --executors onnx --for cmos45_int8", "cmos45_int8 prices operations only"),
    "chip without formats": (
        "quantize {network} --for speck --out {tmp}/out",
        "speck publishes no formats of its registers and synapses",
    ),
    "unknown chip": ("quantize {network} --for loihi9 --out {tmp}/out", "no profile 'loihi9'"),
    "truncated archive": ("simulate {cut} --input {images}", "cut.safetensors: "),
    "missing archive": ("report {tmp}/no --input {images} --out {tmp}/out", "no: no such file"),
    "unknown recipe key": (
        "run {recipe} --out {tmp}/out",
        "network.plann: is no key; expected plan, head; did you mean 'plan'?",
    ),
    "unknown executor": ("check {network} --executors gpu", "no executor 'gpu'"),
    "resume without out": ("simulate {network} --input {images} --resume", "to resume needs a file to write (--out)"),
    "impossible limit": ("check {network} --max-mismatches -1", "max_mismatches is -1; expected a number from 0"),
    "no scheduler": (
        "simulate {network} --input {images} --scheduler nonsense",
        "'nonsense' is no address of a Dask scheduler",
    ),
    "counting elsewhere": ("simulate {network} --input {images} --count --executor nir", "'nir' does not count"),
    "verifying nothing": ("simulate {network} --input {images} --verify 3", "none are counted; count, too (--count)"),
    "no samples": ("check {network} --random -3", "number of random samples is -3; expected one whole number from 1"),
    "negative seed": ("check {network} --seed -1", "seed is -1; expected one whole number from 0"),
    "nothing to compare": ("check {network} --executors fast,fast", "nothing to compare"),
    "profile twice": ("report {network} --input {images} --profile loihi1 --profile loihi1", "are called 'loihi1'"),
    "unknown format": ("export {network} --to pth --out {tmp}/out", "no format 'pth'"),
    "unknown profile": ("profiles show loihi7", "no profile 'loihi7'"),
    "no samples in a file": ("simulate {network} --input {tmp}/none.npz", "none.npz: the input holds no samples, its"),
    "labels of another task, simulate": ("simulate {network} --input {tmp}/labels.npz", LABELS),
    "labels of another task, what-if": ("what-if {network} --input {tmp}/labels.npz", LABELS),
    "labels of another task, report": ("report {network} --input {tmp}/labels.npz --out {tmp}/out", LABELS),
    "a folder for a file": ("quantize {network} --out {run}", "is a folder; expected the name of a file to write"),
    "a folder to import": ("import {run} --out {tmp}/out", "a folder; expected '.nir' or '.net'"),
    "a folder to convert": ("convert {run} --calibration {images} --out {tmp}/out", "a folder; expected '.pt2'"),
    "no Lava": ("simulate {network} --input {images} --executor lava", "run 'spikeport lava install'"),
    "demo without Lava": ("demo --out {tmp}/out", "run 'spikeport lava install'"),
    "wrong Python": ("lava install", "Lava needs Python 3.10; tried"),
    "folder is a file": (
        "report {network} --input {images} --out {recipe}",
        "recipe.toml is a file; expected a folder",
    ),
    "archive is a folder": ("simulate {tmp} --input {images}", "{tmp}: "),
    "images are a folder": ("simulate {network} --input {tmp}", "{tmp}: "),
    "images are an archive": ("simulate {network} --input {network}", "network.safetensors: "),
    "NIR for an archive": ("check {run}/export/network.nir", "'spikeport import' (as it is) or 'spikeport quantize'"),
    "ONNX for an archive": ("simulate {run}/export/network.onnx --input {images}", "'spikeport convert', of a ReLU"),
    "archive to import": ("import {network} --out {tmp}/out", "is an archive already, which every verb takes"),
    "network is a checkpoint": ("simulate {run}/finetune/model.safetensors --input {images}", "model.safetensors: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_one_sentence_and_exit_code_2(monkeypatch, capsys, tiny_run, tmp_path, fault):
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "lava"))
    monkeypatch.setenv("SPIKEPORT_LAVA_PYTHON", sys.executable)
    network = tiny_run / "quantize/network.safetensors"
    (tmp_path / "cut.safetensors").write_bytes(network.read_bytes()[:-100])
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("head = []", "head = [], plann = [4]"))
    if ".npz" in FAULTS[fault][0]:
        images = np.zeros((2, 1, 8, 8), np.uint8)
        np.savez(tmp_path / "none.npz", images=images[:0], labels=[])
        np.savez(tmp_path / "labels.npz", images=images, labels=[9, 10])
    names = {"network": network, "run": tiny_run, "images": tiny_run / "export/held_out.npz", "tmp": tmp_path}
    names |= {"cut": tmp_path / "cut.safetensors", "recipe": tmp_path / "recipe.toml"}
    arguments, sentence = (text.format_map(names) for text in FAULTS[fault])
    before = sorted(tmp_path.rglob("*"))
    code, out, err = invoke(monkeypatch, capsys, *arguments.split())
    assert code == 2
    assert out == ""
    assert err.startswith("spikeport: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_every_fault_of_a_recipe_is_a_line(monkeypatch, capsys, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("sparsity = 0.8", "sparsity = 2").replace("steps = 4", "steps = 0"))
    code, out, err = invoke(monkeypatch, capsys, "run", path, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    first, *lines = err.splitlines()
    assert first == f"spikeport: {path}: 3 faults"
    assert [line.split(":")[0] for line in lines] == ["  spiking.steps", "  stages[1].sparsity", "  stages[2].sparsity"]
    assert list(tmp_path.iterdir()) == [path]


def test_run_without_a_recipe_lists_those_that_come_along(monkeypatch, capsys):
    code, _, err = invoke(monkeypatch, capsys, "run")
    assert code == 2
    assert "\n  digits: The demo: " in err
    assert "\n  paper: The paper's way" in err


def test_a_dry_run_runs_nothing_and_writes_the_recipe(monkeypatch, capsys, recipe, tmp_path):
    new = tmp_path / "new.toml"
    told = tmp_path / "forecast.json"
    options = ("--dry-run", "--write", new, "--set", "stages.dense.epochs=3", "--seed", 4, "--json", told)
    code, out, err = invoke(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "out", *options)
    assert (code, err.splitlines()[-1]) == (0, f"wrote {new}")
    assert out.splitlines()[2].split()[:2] == ["dense", "train"]
    assert "has not run" in out
    assert sorted(tmp_path.iterdir()) == [told, new]
    assert json.loads(told.read_text())["stages"][0]["name"] == "dense"
    assert "epochs = 3" in new.read_text()
    assert "seed = 4" in new.read_text()
    code, _, err = invoke(monkeypatch, capsys, "run", recipe, "--write", new)
    assert (code, "--write goes with --dry-run" in err) == (2, True)


def test_no_traceback_from_the_installed_command(tiny_run, tmp_path):
    done = call("simulate", tiny_run / "quantize/network.safetensors", "--input", tmp_path / "none.npz")
    assert done.returncode == 2
    assert done.stderr == f"spikeport: {tmp_path / 'none.npz'}: no such file; expected images (.npy or .npz)\n"


def test_options_that_do_not_exist_exit_with_2():
    done = call("check", "network.safetensors", "--colour", "red")
    assert done.returncode == 2
    assert "no option --colour" in done.stderr
    assert "Traceback" not in done.stderr


def test_progress_is_plain_lines_without_a_terminal(recipe, monkeypatch, capsys, tmp_path):
    code, _, err = invoke(monkeypatch, capsys, "run", recipe, "--out", tmp_path, "--to", "dense")
    assert code == 0
    assert "dense: epoch 1 of " in err
    assert "\r" not in err


SINABS = Path(__file__).parents[1] / "oracles" / "hardware"


def test_files_of_others_are_run_and_priced_as_they_are(monkeypatch, capsys, tmp_path):
    """The same recording of sinabs' counter as in tests/oracles, straight from its NIR file."""
    file, told = np.load(SINABS / "sinabs.npz"), ("--dialect", "sinabs", "--steps", 6)
    np.savez(tmp_path / "x.npz", images=file["inputs"])
    network, images = SINABS / "sinabs.nir", ("--input", tmp_path / "x.npz")
    code, out, _ = invoke(monkeypatch, capsys, "simulate", network, *images, *told, "--count")
    assert code == 0
    assert f"read {network} as " in out
    for operations in file["operations"].sum(axis=0):
        assert f" {operations:,} " in out
    arguments = ("report", network, *images, *told, "--profile", "loihi1", "--weight-bits", 4, "--out", tmp_path / "r")
    code, out, _ = invoke(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "placed with 4 bit" in out
    assert "does not run on loihi1:\npopulations 1, 4, 7, 9 (several spikes): " in out
    code, _, err = invoke(monkeypatch, capsys, "report", network, *images, *told, "--weight-bits", 1)
    assert (code, "weight bits is 1; expected one whole number from 2 to 32" in err) == (2, True)


def test_wrong_counts_exit_with_1(monkeypatch, capsys, tiny_run, tmp_path):
    """A kernel that doubles a weight: report and simulate --count say so, and do not when nothing is verified."""
    mutant = next(mutant for mutant in KERNELS if (mutant.name, mutant.kind) == ("add_planes", "doubles"))
    force("planes", monkeypatch.setattr)
    apply(mutant, monkeypatch.setattr, compiled=True)
    network, images = tiny_run / "quantize/network.safetensors", ("--input", tiny_run / "export/held_out.npz")
    report = ("report", network, *images, "--profile", "loihi1", "--out", tmp_path / "r")
    for arguments in (("simulate", network, *images, "--count"), report):
        code, out, _ = invoke(monkeypatch, capsys, *arguments, "--verify", 1)
        assert code == 1
        assert re.search(r"\nFAILED:\n\S+ -> \S+: Eq\. 12 counts [\d,]+ operations on the sampled images", out)
        code, out, _ = invoke(monkeypatch, capsys, *arguments, "--verify", 0)
        assert code == 0
        assert "\nnot verified: " in out
        assert "simulat" not in out.replace("simulating in parts", "")


def test_a_run_verifies_as_many_images_as_asked_for(monkeypatch, capsys, recipe, tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    for verify, shown in ((2, "accumulates of images 0 and 19: "), (0, "not verified: ")):
        arguments = ("run", recipe, "--out", tmp_path / "run", "--from", "report", "--verify", verify)
        code, out, _ = invoke(monkeypatch, capsys, *arguments, "--json", tmp_path / "run.json")
        assert code == 0
        assert json.loads((tmp_path / "run.json").read_text())["ran"] == ["report"]
        assert f"\n{shown}" in out


def test_settings_of_files_of_others_are_refused_beside_an_archive(monkeypatch, capsys, tiny_run):
    network, images = tiny_run / "quantize/network.safetensors", tiny_run / "export/held_out.npz"
    for verb, option, value in (("simulate", "--dt", 0.5), ("report", "--steps", 6)):
        code, _, err = invoke(monkeypatch, capsys, verb, network, "--input", images, option, value)
        assert code == 2
        assert f"{option[2:]!r} is for .nir and .net files; an archive says it itself" in err

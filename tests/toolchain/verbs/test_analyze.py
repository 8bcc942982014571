"""``spikeport analyze obfuscation``: files and objects, exit codes, what it writes, refusals at the start."""

import copy
import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

import spikeport
from spikeport.export import archive
from spikeport.export.errors import AttackError, OutputError, SpikeportError, StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.toolchain import checkpoint, cli
from spikeport.toolchain.analysis.result import read
from spikeport.toolchain.importing.torch_module import from_torch
from tests.toolchain.analysis.networks import Quantising, held_out, linear

QUICK = ("--iterations", "3,5", "--epsilons", "64", "--queries", "20", "--samples", "10")
SETTINGS = {"epsilon": 16.0, "iterations": (3, 5), "epsilons": (64.0,), "queries": 20, "samples": 10}


def rectified():
    """Return the linear network behind a ReLU that no pixel is cut by."""
    before = nn.Linear(64, 64)
    with torch.no_grad():
        before.weight.copy_(torch.eye(64))
        before.bias.fill_(0.1)
    after = copy.deepcopy(linear()[1])
    after.bias.data -= 0.1 * after.weight.data.sum(1)
    return nn.Sequential(nn.Flatten(), before, nn.ReLU(), after)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a linear network as checkpoint, and images of 8 bits with and without labels."""
    folder = tmp_path_factory.mktemp("analyze")
    checkpoint.write(from_torch(rectified(), torch.zeros(2, 1, 8, 8)).model, folder / "model.safetensors")
    archive.write(small_network(), folder / "integers.safetensors")
    images, labels = held_out(120)
    pixels = np.rint(images.numpy() * 255).astype(np.uint8)
    np.savez(folder / "x.npz", images=pixels, labels=labels.numpy())
    np.savez(folder / "bare.npz", images=pixels)
    np.savez(folder / "two.npz", images=np.zeros((2, *small_network().source.shape), np.uint8), labels=[0, 1])
    np.savez(folder / "wrong.npz", images=pixels, labels=np.full(120, 10))
    return folder


def invoke(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["spikeport", "analyze", "obfuscation", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return left.value.code, out, err


def settings(**changes):
    return spikeport.ObfuscationSettings(**SETTINGS | changes)


def test_a_sound_network_exits_with_0_and_the_folder_has_figures_and_picture(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = (folder / "model.safetensors", "--input", folder / "x.npz", "--eps", 16, *QUICK)
    code, text, err = invoke(monkeypatch, capsys, *arguments, "--out", out)
    assert (code, err) == (0, "")
    assert text.startswith("sound: 6 of 6 checks pass, no sign of masked gradients\n")
    assert text.endswith(f"wrote {out}/obfuscation.json and {out}/obfuscation.svg\n")
    found = read(out / "obfuscation.json")
    assert found == spikeport.analyze_obfuscation(folder / "model.safetensors", folder / "x.npz", settings=settings())
    assert json.loads((out / "obfuscation.json").read_text())["passed"] is True
    assert sorted(path.name for path in out.iterdir()) == ["obfuscation.json", "obfuscation.svg"]


def test_what_is_not_shown_to_be_sound_exits_with_1(folder, monkeypatch, capsys):
    arguments = (folder / "model.safetensors", "--input", folder / "x.npz", "--images", 20, *QUICK)
    code, text, _ = invoke(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "20 images" in text
    assert text.startswith("FAILED: robust accuracy ")
    assert "undecided" in text


def test_any_module_is_examined_with_arrays_of_bytes_or_of_pixels():
    images, labels = held_out(80)
    levels = np.rint(images.numpy() * 255).astype(np.uint8)
    model = Quantising(linear())
    found = [
        spikeport.analyze_obfuscation(model, given, labels=labels.numpy(), settings=settings())
        for given in (levels, levels.astype(np.float32) / np.float32(255))
    ]
    assert found[0] == found[1]
    assert not found[0].passed
    assert found[0].without_gradient == round(found[0].clean * 80)


def test_members_of_a_suite_are_examined_together(folder, tmp_path):
    suite = tmp_path / "two.toml"
    suite.write_text(
        'members = [{ name = "pgd", attack = { kind = "pgd", steps = 3 } }, '
        '{ name = "margin", attack = { kind = "pgd", steps = 3, objective = { kind = "margin" } } }, '
        '{ name = "square", attack = { kind = "square", queries = 5 } }]'
    )
    alone, both = (
        spikeport.analyze_obfuscation(folder / "model.safetensors", folder / "x.npz", settings=settings(**chosen))
        for chosen in ({"steps": 3}, {"suite": str(suite)})
    )
    assert both.attack == "suite two"
    assert both.robust <= alone.robust


@pytest.mark.parametrize(
    ("model", "images", "changes", "error", "sentence"),
    [
        ("model.safetensors", "bare.npz", {}, StimulusError, "no labels"),
        (
            "model.safetensors",
            "wrong.npz",
            {},
            AttackError,
            "labels reach from 10 to 10; the network has classes 0 to 9",
        ),
        ("model.safetensors", "x.npz", {"steps": 0}, AttackError, r"expected `int` >= 1 - at `\$\.steps`|steps"),
        ("model.safetensors", "x.npz", {"queries": 0}, AttackError, "queries"),
        ("model.safetensors", "x.npz", {"iterations": (5,)}, AttackError, "iterations"),
        ("model.safetensors", "x.npz", {"epsilon": 0.0}, AttackError, "epsilon is 0.0; expected pixel levels above 0"),
        ("model.safetensors", "x.npz", {"suite": "papers"}, AttackError, "no suite 'papers'"),
        ("model.safetensors", "x.npz", {"images": 0}, StimulusError, "expected 1 to 120"),
        ("model.safetensors", "x.npz", {"seed": -1}, SpikeportError, "seed"),
        ("x.npz", "x.npz", {}, SpikeportError, r"x\.npz"),
        ("missing.safetensors", "x.npz", {}, SpikeportError, r"missing\.safetensors"),
    ],
)
def test_what_cannot_be_examined_is_one_sentence(folder, model, images, changes, error, sentence):
    with pytest.raises(error, match=sentence):
        spikeport.analyze_obfuscation(folder / model, folder / images, settings=settings(**changes))


def test_an_archive_has_no_gradients_and_the_sentence_says_what_has(folder):
    with pytest.raises(AttackError, match=r"a network of an archive has no gradients.*give the checkpoint"):
        spikeport.analyze_obfuscation(folder / "integers.safetensors", folder / "two.npz", settings=settings())


def test_a_place_where_no_file_can_go_is_refused_before_anything_runs(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        spikeport.analyze_obfuscation(
            folder / "missing.safetensors", folder / "x.npz", settings=settings(), out=tmp_path / "file"
        )


def test_a_list_that_is_none_is_refused_by_the_command(folder, monkeypatch, capsys):
    arguments = (folder / "model.safetensors", "--input", folder / "x.npz", "--iterations", "seven")
    code, _, err = invoke(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "no list of whole numbers" in err

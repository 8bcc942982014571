"""``spikeport analyze thresholds``: files and objects, what it writes, refusals at the start."""

import json
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import spikeport
from spikeport.export import archive
from spikeport.export.errors import AttackError, NetworkError, OutputError, SpikeportError
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.toolchain import checkpoint, cli
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.ann import ANN
from tests.toolchain.analysis.thresholds.small import images, small

QUICK = {"deltas": (0.1,), "epsilons": (4,), "steps": 1, "bits": ()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thresholds")
    model = small()
    checkpoint.write(model, folder / "snn.safetensors")
    checkpoint.write(ANN(model.specification), folder / "ann.safetensors")
    archive.write(quantize(folded(lower(model)), weight_bits=5), folder / "five.safetensors")
    archive.write(folded(lower(model)), folder / "float.safetensors")
    pixels, labels = images(5)
    whole = np.rint(pixels.numpy() * 255).astype(np.uint8)
    np.savez(folder / "x.npz", images=whole, labels=labels.numpy())
    np.savez(folder / "bare.npz", images=whole)
    np.savez(folder / "wrong.npz", images=whole, labels=np.full(5, 10))
    np.savez(folder / "bright.npz", images=pixels.numpy() * 300, labels=labels.numpy())
    return folder


def invoke(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["spikeport", "analyze", "thresholds", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_the_command_prints_tables_and_writes_both_files(folder, tmp_path, monkeypatch, capsys):
    code, out, _ = invoke(
        monkeypatch, capsys, folder / "snn.safetensors", "--input", folder / "x.npz", "--network",
        folder / "five.safetensors", "--network", f"five={folder / 'five.safetensors'}",
        "--bits", "4", "--delta", "0.1,0.3", "--eps", "4,16", "--steps", "2",
        "--out", tmp_path,
    )  # fmt: skip
    assert code == 0
    for expected in ("within 0.3 V_th", "PGD-2", "4 bits", "five.safetensors", "no spike can flip"):
        assert expected in out
    document = json.loads((tmp_path / "thresholds.json").read_text())
    assert document["schema"] == 1
    assert [each["name"] for each in document["rounded"]] == [
        "float",
        "4 bits",
        str(folder / "five.safetensors"),
        "five",
    ]
    assert document["model"]["digest"]
    ET.fromstring((tmp_path / "thresholds.svg").read_text())


def test_the_function_takes_objects_and_equals_the_command(folder, monkeypatch, capsys):
    pixels, labels = images(5)
    whole = np.rint(pixels.numpy() * 255).astype(np.uint8)
    found = spikeport.analyze_thresholds(
        small(), whole, labels=labels.numpy(), settings=spikeport.ThresholdSettings(**QUICK)
    )
    assert found.rounded == ()
    _, out, _ = invoke(
        monkeypatch, capsys, folder / "snn.safetensors", "--input", folder / "x.npz", "--bits", "none", "--delta",
        "0.1", "--eps", "4", "--steps", "1",
    )  # fmt: skip
    assert found.text().split("\n", 1)[1] == out.rstrip("\n").split("\n", 1)[1]


@pytest.mark.parametrize(
    ("model", "given", "changes", "error", "sentence"),
    [
        ("ann", "x", {}, NetworkError, r"ann\.safetensors: has no spiking neurons; expected an SNN"),
        ("five", "x", {}, NetworkError, r"five\.safetensors: a network of an archive, .* by --network"),
        ("snn", "bare", {}, SpikeportError, "no labels"),
        ("snn", "wrong", {}, AttackError, "image 0 has label 10; expected labels 0 to 9"),
        ("snn", "bright", {}, SpikeportError, "expected"),
        ("snn", "x", {"deltas": (0,)}, AttackError, "delta, in units of the threshold, is 0"),
        ("snn", "x", {"epsilons": (0.4,)}, AttackError, "no image within epsilon differs"),
        ("snn", "x", {"suite": "none"}, AttackError, "none"),
        ("snn", "x", {"bits": (16,)}, AttackError, "number of bits of a weight is 16"),
        ("snn", "x", {"images": 9}, SpikeportError, "the first 9 images were asked for; expected 1 to 5"),
        ("snn", "x", {"seed": -1}, SpikeportError, "seed is -1"),
        ("snn", "x", {"networks": ("float.safetensors",)}, SpikeportError, "float"),
        ("snn", "x", {"networks": ("five.safetensors",) * 2}, NetworkError, "stands twice among the networks"),
        ("snn", "x", {"networks": {"8 bits": "five.safetensors"}}, NetworkError, "8 bits: a name that rounding of the"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_the_start(folder, monkeypatch, model, given, changes, error, sentence):
    monkeypatch.chdir(folder)
    settings = spikeport.ThresholdSettings(**QUICK | changes)
    with pytest.raises(error, match=sentence):
        spikeport.analyze_thresholds(f"{model}.safetensors", f"{given}.npz", settings=settings)


def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        spikeport.analyze_thresholds(folder / "snn.safetensors", folder / "x.npz", out=tmp_path / "file")


def compare(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["spikeport", "analyze", "compare", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code, *capsys.readouterr()


def test_folders_are_compared_by_name(folder, tmp_path, monkeypatch, capsys):
    settings = spikeport.ThresholdSettings(**QUICK)
    for seed in ("a", "b"):
        spikeport.analyze_thresholds(
            folder / "snn.safetensors", folder / "x.npz", settings=settings, out=tmp_path / seed
        )
    twice = [f"both={tmp_path / 'a'},{tmp_path / 'b'}"]
    code, _, err = compare(monkeypatch, capsys, *twice)
    assert code == 2
    assert "both: " in err
    assert "are of the same network; expected one for each seed" in err
    document = json.loads((tmp_path / "b" / "thresholds.json").read_text())
    document["model"]["digest"] = 64 * "0"
    (tmp_path / "b" / "thresholds.json").write_text(json.dumps(document))
    code, out, _ = compare(
        monkeypatch,
        capsys,
        f"plain={tmp_path / 'a'}",
        f"both={tmp_path / 'a'},{tmp_path / 'b'}",
        "--out",
        tmp_path / "c",
    )
    assert code == 0
    assert "| plain (1 seed) | both (2 seeds) |" in out
    assert (tmp_path / "c" / "comparison.md").read_text() in out
    ET.fromstring((tmp_path / "c" / "comparison.svg").read_text())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plain"], "expected NAME=FOLDER"),
        (["a=x", "a=y"], "each name once"),
        (["a=missing"], "missing"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, sentence, monkeypatch, capsys):
    code, _, err = compare(monkeypatch, capsys, *arguments)
    assert code == 2
    assert sentence in err

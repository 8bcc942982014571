"""The verb `attack`: networks of every kind of file, what a table and a JSON file say, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

import spikeport
from spikeport import AttackSettings
from spikeport.export import archive
from spikeport.export.errors import (
    AttackError,
    FormatError,
    NetworkError,
    OutputError,
    SpikeportError,
    StimulusError,
)
from spikeport.toolchain import checkpoint
from spikeport.toolchain.analysis.writing import write
from tests.toolchain.verbs.test_examined import FAILED

SUITE = """
title = "two gradients and few queries"
[[members]]
name = "PGD-2, trained"
attack = { kind = "pgd", steps = 2 }
[[members]]
name = "PGD-2, rate"
attack = { kind = "pgd", steps = 2, gradient = { kind = "rate" } }
[[members]]
name = "Square 10"
attack = { kind = "square", queries = 10 }
"""
BLACK = SUITE[: SUITE.index("[[")] + SUITE[SUITE.rindex("[[") :]


@pytest.fixture(scope="session")
def suites(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")
    (folder / "small.toml").write_text(SUITE)
    (folder / "black.toml").write_text(BLACK)
    return folder


@pytest.fixture(scope="session")
def held_out(tiny_run, tmp_path_factory):
    """Held-out images with the integers' own classes as labels: the tiny run has hardly learnt the true ones."""
    path = tmp_path_factory.mktemp("held_out") / "images.npz"
    with np.load(tiny_run / "export/held_out.npz") as file:
        classes = spikeport.simulate(tiny_run / "quantize/network.safetensors", file["images"]).classes
        np.savez(path, images=file["images"], labels=classes)
    return path


@pytest.fixture
def small(suites):
    return AttackSettings(suite=str(suites / "small.toml"), images=8)


@pytest.fixture
def black(suites):
    return AttackSettings(suite=str(suites / "black.toml"), images=8)


@pytest.fixture
def model(tiny_run):
    return tiny_run / "finetune/model.safetensors"


def plain(done):
    """Return a result without its seconds."""
    return json.loads(json.dumps(done.to_dict()), object_hook=lambda t: {k: v for k, v in t.items() if k != "seconds"})


def test_integers_with_their_float_network(network, model, held_out, small, tmp_path):
    out = tmp_path / "attack"
    out.mkdir()
    (out / "worst-16.npz").write_bytes(b"of an earlier attack")
    done = spikeport.attack(network, held_out, epsilons=(8, 32), float_model=model, settings=small, out=out)
    assert [row.label for row in done.epsilons[0].rows] == [
        "PGD-2, 2 gradients",
        "Square 10",
        "PGD-2, 2 gradients, transferred",
        "Square 10",
    ]
    written = json.loads((out / "attack.json").read_text())
    assert written == json.loads(json.dumps(done.to_dict()))
    assert {path.name for path in out.iterdir()} == {"attack.json", "worst-8.npz", "worst-32.npz"}
    text = done.text()
    first, second = text.splitlines()[:2]
    assert first.startswith(f"robust accuracy of the integers: {done.epsilons[0].deployed.text()} % at 8/255, ")
    assert second.startswith(
        f"robust accuracy of the float network: {done.epsilons[0].worst_float.text()} % at 8/255, "
    )
    for words in ("8/255", "32/255", "robust accuracy after deployment", "±", "seed 0", "queries:", "two gradients"):
        assert words in text
    assert [each["deployed"]["share"] for each in written["epsilons"]] == [e.deployed.share for e in done.epsilons]
    assert written["networks"]["deployed"]["digest"] == archive.digest(archive.read(network))
    assert {member["name"] for row in written["epsilons"][0]["rows"] for member in row["members"]} == {
        "PGD-2, trained",
        "PGD-2, rate",
        "Square 10",
    }


def test_an_examination_beside_the_float_network_is_told(network, model, held_out, small, tmp_path):
    alone = tmp_path / "model.safetensors"
    shutil.copyfile(model, alone)
    before = spikeport.attack(network, held_out, epsilons=(8,), float_model=alone, settings=small)
    assert "not examined for masked gradients" in before.text()
    write(FAILED, tmp_path)
    found = spikeport.attack(network, held_out, epsilons=(8,), float_model=alone, settings=small, out=tmp_path / "out")
    assert json.loads((tmp_path / "out/attack.json").read_text())["doubts"] == list(found.doubts) == list(FAILED.doubts)


def test_worst_images_give_the_accuracy_after_deployment_in_simulate(network, model, held_out, small, tmp_path):
    done = spikeport.attack(network, held_out, epsilons=(64,), float_model=model, settings=small, out=tmp_path / "a")
    path = tmp_path / "a/worst-64.npz"
    assert done.epsilons[0].deployed.share < done.clean["deployed"].share == 1
    assert spikeport.simulate(network, path).accuracy == done.epsilons[0].deployed.share
    with np.load(path) as worst, np.load(held_out) as clean:
        moved = worst["images"].astype(int) - clean["images"][:8]
        assert worst["images"].dtype == np.uint8
        assert 0 < np.abs(moved).max() <= 64
        assert np.array_equal(worst["labels"], clean["labels"][:8])


def test_objects_give_what_files_give(network, model, held_out, small):
    with np.load(held_out) as file:
        images, labels = file["images"], file["labels"]
    of_files = spikeport.attack(network, held_out, epsilons=(16,), float_model=model, settings=small)
    of_objects = spikeport.attack(
        archive.read(network), images, epsilons=(16,), labels=labels, settings=small,
        float_model=checkpoint.read(model),
    )  # fmt: skip
    assert plain(of_files)["epsilons"] == plain(of_objects)["epsilons"]


def test_a_checkpoint_alone(tiny_run, held_out, small):
    snn = spikeport.attack(tiny_run / "finetune/model.safetensors", held_out, epsilons=(16,), settings=small)
    assert snn.epsilons[0].deployed is None
    assert snn.epsilons[0].worst_float.share <= snn.clean["float"].share
    ann = spikeport.attack(tiny_run / "dense/model.safetensors", held_out, epsilons=(16,), settings=small)
    assert [row.title for row in ann.epsilons[0].rows] == ["PGD-2", "Square 10"]


def test_a_float_archive_is_attacked_as_integers_are(tiny_run, model, held_out, small, black):
    network = tiny_run / "lower/network_float.safetensors"
    with_model = spikeport.attack(network, held_out, epsilons=(16,), float_model=model, settings=small)
    assert with_model.agreement == 1
    assert "network of the archive, no attack" in with_model.text()
    alone = spikeport.attack(network, held_out, epsilons=(16,), settings=black)
    assert alone.epsilons[0].deployed == with_model.epsilons[0].worst_black_box


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["model.pt2", "model.onnx"])
def test_a_network_of_ones_own(tmp_path, small, name):
    """Its logits are those of normalised pixels, so all labels are right only where mean and std are put inside."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    pixels = torch.randint(0, 256, (4, 1, 8, 8))
    with torch.no_grad():
        labels = net((pixels / 255 - 0.4) / 0.3).argmax(1).numpy()
        if name == "model.pt2":
            torch.export.save(torch.export.export(net, (torch.zeros(2, 1, 8, 8),)), tmp_path / name)
        else:
            torch.onnx.export(net, (torch.zeros(2, 1, 8, 8),), tmp_path / name, dynamo=False)
    images = pixels.numpy().astype(np.uint8)
    settings = AttackSettings(suite=small.suite, mean=0.4, std=0.3)
    done = spikeport.attack(tmp_path / name, images, epsilons=(64,), labels=labels, settings=settings)
    assert done.clean["float"].share == 1
    assert done.epsilons[0].worst_float.share < 1
    assert [row.title for row in done.epsilons[0].rows] == ["PGD-2", "Square 10"]


def test_integers_alone_need_a_suite_without_gradients(network, held_out, small, black):
    with pytest.raises(AttackError, match=r"2 of 3 attacks .* \(--float MODEL; its run made it of .*finetune/model"):
        spikeport.attack(network, held_out, settings=small)
    done = spikeport.attack(network, held_out, epsilons=(16,), settings=black)
    assert "no white-box attack was run" in done.text()


def test_another_float_network_than_the_records_name_is_refused(tiny_run, network, held_out, small, tmp_path):
    other = tiny_run / "convert/model.safetensors"
    with pytest.raises(NetworkError, match=r"made it of a checkpoint with SHA-256 .*; give --float .*finetune/model"):
        spikeport.attack(network, held_out, float_model=other, settings=small)
    alone = tmp_path / "network.safetensors"
    shutil.copyfile(network, alone)
    found = spikeport.attack(alone, held_out, epsilons=(8,), float_model=other, settings=small)
    assert found.agreement is not None


def refused(tiny_run, held_out, settings, **options):
    network = options.pop("network", tiny_run / "finetune/model.safetensors")
    return spikeport.attack(network, options.pop("images", held_out), settings=settings, **options)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"epsilons": (256,)}, AttackError, "epsilon is 256; expected 0 to 255"),
        ({"epsilons": (8 / 255,)}, AttackError, "8 means 8/255"),
        ({"epsilons": (8, 0)}, AttackError, "epsilon is 0, which changes no pixel"),
        ({"labels": np.full(20, 10)}, AttackError, "image 0 has label 10; expected labels 0 to 9"),
        ({"labels": np.zeros(3, int)}, StimulusError, r"'labels' is int64 of shape \(3,\); expected 20 integers"),
        ({"labels": np.zeros(20)}, StimulusError, "'labels' is float64"),
        ({"images": np.full((2, 1, 8, 8), 1.5)}, StimulusError, r"the input spans 1.5..1.5; expected 0..1"),
        (
            {"images": np.zeros((2, 1, 8, 8), np.uint8)},
            StimulusError,
            "no labels; expected labels=, or an array 'labels'",
        ),
        (
            {"images": np.zeros((0, 1, 8, 8), np.uint8)},
            StimulusError,
            r"the input holds no samples, its shape is \(0, 1, 8, 8\)",
        ),
        (
            {"images": np.zeros((2, 4, 1, 8, 8), np.uint8)},
            StimulusError,
            "the input are frames; the float network takes images",
        ),
        ({"network": "model.pt"}, SpikeportError, "a pickle, which can run code and is never loaded"),
        ({"network": "model.nir"}, FormatError, "expected an archive; 'spikeport import'"),
        ({"float_model": "model.safetensors"}, NetworkError, "is a float network with gradients itself"),
    ],
)
def test_what_cannot_be_attacked_is_refused(tiny_run, held_out, small, options, error, sentence):
    settings = small if "labels" not in options else AttackSettings(suite=small.suite)
    with pytest.raises(error, match=sentence):
        refused(tiny_run, held_out, settings, **options)


def test_labels_that_do_not_fit_are_refused_with_their_file(tiny_run, small, tmp_path):
    np.savez(tmp_path / "l.npz", images=np.zeros((2, 1, 8, 8), np.uint8), labels=np.array([0, 10]))
    with pytest.raises(AttackError, match=rf"^{tmp_path}/l.npz: image 1 has label 10; expected labels 0 to 9"):
        refused(tiny_run, None, AttackSettings(suite=small.suite), images=tmp_path / "l.npz")


def test_settings_that_do_not_fit_are_refused(tiny_run, held_out, network, small, tmp_path):
    with pytest.raises(AttackError, match="no suite 'papre'; there are black_box, paper, quick, rsc"):
        refused(tiny_run, held_out, AttackSettings(suite="papre"))
    with pytest.raises(StimulusError, match="the first 21 images were asked for; expected 1 to 20"):
        refused(tiny_run, held_out, AttackSettings(suite=small.suite, images=21))
    with pytest.raises(FormatError, match="holds its own mean and standard deviation"):
        refused(tiny_run, held_out, AttackSettings(suite=small.suite, mean=0.5))
    with pytest.raises(OutputError, match="to resume needs the folder"):
        refused(tiny_run, held_out, AttackSettings(suite=small.suite, resume=True))
    with pytest.raises(OutputError, match="nothing to resume, it holds no parts of an attack"):
        refused(tiny_run, held_out, AttackSettings(suite=small.suite, resume=True), out=tmp_path)
    with pytest.raises(NetworkError, match="is a network of an archive, which has no gradients"):
        spikeport.attack(network, held_out, float_model=network, settings=small)
    with pytest.raises(NetworkError, match=r"a Linear was given; expected an ANN or SNN of spikeport"):
        spikeport.attack(nn.Linear(2, 2), held_out, settings=small)


def command(network, model, held_out, suite, out, *more):
    arguments = [network, "--float", model, "--input", held_out, "--eps", "8,32", "--suite", suite, "--out", out]
    arguments += ["--batch", "2", *more]
    return [sys.executable, "-m", "spikeport.toolchain.cli", "attack", *map(str, arguments)]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_result(network, model, held_out, suites, tmp_path):
    """Killed twice where parts are done; the same command then ends with the JSON of an unbroken run."""
    suite = suites / "small.toml"
    whole = tmp_path / "whole"
    subprocess.run(command(network, model, held_out, suite, whole), check=True, capture_output=True)
    broken = tmp_path / "broken"
    for parts in (3, 9):
        run = subprocess.Popen(
            command(network, model, held_out, suite, broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while run.poll() is None and len(list(broken.rglob("part-*.npz"))) < parts:
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
        assert not (broken / "attack.json").exists()
    again = subprocess.run(
        command(network, model, held_out, suite, broken, "--resume"), check=True, capture_output=True, text=True
    )
    assert "robust accuracy after deployment" in again.stdout
    texts = [(folder / "attack.json").read_text().replace(str(folder), "OUT") for folder in (whole, broken)]
    first, second = map(json.loads, texts)  # a note names the folder

    def timeless(value):
        if isinstance(value, dict):
            return {key: timeless(each) for key, each in value.items() if key != "seconds"}
        return [timeless(each) for each in value] if isinstance(value, list) else value

    assert timeless(first) == timeless(second)
    assert not (broken / "parts").exists()
    for name in ("worst-8.npz", "worst-32.npz"):
        with np.load(whole / name) as one, np.load(broken / name) as other:
            assert np.array_equal(one["images"], other["images"])
    finished = subprocess.run(
        command(network, model, held_out, suite, broken, "--resume"), check=False, capture_output=True, text=True
    )
    assert finished.returncode == 2
    assert "nothing to resume, its attack is finished" in finished.stderr


@pytest.mark.slow
def test_another_attack_does_not_take_over_the_parts_of_a_folder(network, model, held_out, suites, tmp_path):
    out = tmp_path / "out"
    run = subprocess.Popen(
        command(network, model, held_out, suites / "small.toml", out),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while run.poll() is None and not list(out.rglob("part-*.npz")):
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    other = command(network, model, held_out, suites / "small.toml", out, "--seed", "1")
    done = subprocess.run(other, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "another seed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_workers_write_what_one_writes(network, model, held_out, suites, tmp_path):
    def figures(*more):
        out = tmp_path / "-".join(("out", *more))
        subprocess.run(command(network, model, held_out, suites / "small.toml", out, *more), check=True)
        found = json.loads((out / "attack.json").read_text())
        return [
            {key: value for key, value in row.items() if key not in {"seconds", "members"}}
            for at in found["epsilons"]
            for row in at["rows"]
        ]

    assert figures("--workers", "2") == figures()

"""Bad input is found before the first step, in one sentence."""

import numpy as np
import pytest
import torch

from spikeport.export.errors import TrainingError
from spikeport.toolchain.data.dataset import Split
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.training import devices
from spikeport.toolchain.training.checks import check_device
from spikeport.toolchain.training.settings import Training
from tests.toolchain.networks import NETWORKS
from tests.toolchain.training.small import EMPTY, ann, dataset, snn, split, trained


def changed(**fields):
    made = split(60, 0)
    return {"train": Split(images=fields.get("images", made.images), labels=fields.get("labels", made.labels))}


FLOATS = split(60, 0).images.astype(np.float32)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ({"train": EMPTY}, {}, "stripes: the training split is empty; expected 20 images at least"),
        ({}, {"batch_size": 61}, "batch_size is 61; stripes has 60 images to train on; use a smaller batch"),
        (
            changed(images=split(60, 0).images[:, 0]),
            {},
            r"train split: images are \(60, 8, 8\); expected \(N, C, H, W\)",
        ),
        (
            changed(images=split(60, 0).images[:, :1]),
            {},
            r"images are \(1, 8, 8\) \(C, H, W\); the network takes \(2, 8, 8\)",
        ),
        (changed(images=FLOATS.astype(np.float64)), {}, r"images are float64; expected uint8 levels, or float32"),
        (changed(images=FLOATS), {}, r"images reach from 0 to 23\d; expected \[0, 1\]"),
        (changed(images=FLOATS / 255 * np.float32(np.nan)), {}, r"images reach from nan to nan"),
        (changed(labels=np.arange(60)), {}, "labels reach from 0 to 59; expected 0 to 4"),
        (changed(labels=np.arange(60) - 30), {}, "labels reach from -30"),
        (changed(labels=np.arange(59)), {}, "train split: there are 59 labels for 60 images; expected one each"),
        (changed(labels=np.zeros(60)), {}, r"the labels are numbers with a point \(float64\); expected one whole"),
        (changed(labels=np.eye(5)[np.arange(60) % 5]), {}, r"an array of shape \(60, 5\); .* labels.argmax\(1\)"),
        (
            {"validation": Split(images=split(5, 0).images, labels=np.full(5, 9))},
            {},
            "validation split: labels reach from 9",
        ),
        (
            {"extra": split(9, 0), "ratio": 0.33},
            {},
            r"ratio 0.33 of batch_size 20 is 6.6 images; .* or ratio = 0.35, which",
        ),
        (
            {"extra": split(9, 0), "ratio": 0.01},
            {},
            r"is 0.2 images; expected 1 to 19, .* or ratio = 0.05, which is 1 ",
        ),
        (
            {"extra": split(9, 0), "ratio": 0.25},
            {"batch_size": 84},
            "is 84, 63 of them of the training split; stripes has 60",
        ),
        (
            {"extra": Split(images=split(5, 0).images, labels=np.full(5, 9)), "ratio": 0.5},
            {},
            "extra images: labels reach",
        ),
        ({"classes": 7}, {}, "stripes has 7 classes; the network's readout has 5 outputs"),
        ({}, {"processes": 3}, "batch_size 20 does not divide into 3 processes times 1 parts; use a multiple of 3"),
        ({}, {"accumulate": 8}, "does not divide into 1 processes times 8 parts"),
        ({}, {"warmup": 2}, "warmup is 2 epochs of 2; expected fewer"),
        ({}, {"best": "robust"}, 'best = "robust" needs an objective with an attack; use best = "clean"'),
        ({"validation": EMPTY}, {"best": "robust", "objective": Trades()}, 'best = "robust" needs a validation split'),
        ({}, {"parameters": []}, "nothing to train"),
        ({}, {"precision": "16"}, 'precision = "16" needs a GPU; use "bf16" or "32" on the CPU'),
        ({}, {"device": "tpu"}, "no device 'tpu'; there are auto, cpu, cuda, mps"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)
def test_bad_input_is_refused_before_anything_is_written(data, options, message, tmp_path):
    with pytest.raises(TrainingError, match=message):
        trained(ann(), tmp_path / "out", data=dataset(**data), **options)
    assert not (tmp_path / "out").exists()


def test_frozen_networks_have_nothing_to_train(tmp_path):
    with pytest.raises(TrainingError, match="nothing to train"):
        trained(ann().requires_grad_(requires_grad=False), tmp_path)


def test_no_steps_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="the spiking network has T = 0 steps; expected 1 at least"):
        trained(snn(steps=0), tmp_path)


def test_images_of_another_size_are_refused(tmp_path):
    images = np.zeros((60, 2, 16, 16), np.uint8)
    with pytest.raises(TrainingError, match=r"images are \(2, 16, 16\)"):
        trained(ANN(NETWORKS["vgg"]), tmp_path, data=dataset(**changed(images=images)))


@pytest.mark.parametrize("missing", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named(missing, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=f"device '{missing}': PyTorch .* finds none on this machine; use 'cpu'"):
        devices.resolved(missing)
    assert devices.resolved("auto") == "cpu"


def test_auto_takes_the_fastest_device_that_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.resolved("auto") == "cuda"
    assert devices.resolved("cpu") == "cpu"


@pytest.mark.parametrize(("device", "message"), [("mps", "mps is one device; use 1"), ("cuda", "there are 0 GPUs")])
def test_more_processes_than_devices_are_refused(device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(TrainingError, match=message):
        check_device(device, Training(epochs=1, learning_rate=1, processes=2))


def test_frames_are_no_input_of_an_ann(tmp_path):
    samples = Split(images=np.zeros((60, 3, 2, 8, 8), np.float32), labels=split(60, 0).labels)
    with pytest.raises(
        TrainingError, match='a sample is 3 frames, which an ANN cannot take; train an SNN: model = "snn"'
    ):
        trained(ann(), tmp_path, data=dataset(train=samples, validation=samples))
    with pytest.raises(TrainingError, match="a sample is 3 frames, and the encoder 'direct' takes images"):
        trained(snn(), tmp_path, data=dataset(train=samples, validation=samples))

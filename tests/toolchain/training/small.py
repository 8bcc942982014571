"""A dataset that a small network learns in an epoch or two, and small networks to train."""

import msgspec
import numpy as np
import torch

from spikeport.toolchain.data.dataset import Dataset, Split
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.training.settings import Training
from spikeport.toolchain.training.trainer import fit
from tests.toolchain.networks import SPECIFICATION

EMPTY = Split(images=np.zeros((0, 2, 8, 8), np.uint8), labels=np.zeros(0, np.int64))


def split(count, seed):
    """Return images of five classes: which part of the image is bright decides."""
    rng = np.random.default_rng(seed)
    if count == 0:
        return EMPTY
    labels = np.arange(count, dtype=np.int64) % 5
    images = rng.integers(0, 120, (count, 2, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label % 2, 2 * (label // 2) : 2 * (label // 2) + 3] += 120
    return Split(images=images, labels=labels)


def dataset(train=60, validation=20, **fields):
    made = {
        "name": "stripes",
        "classes": 5,
        "train": train if isinstance(train, Split) else split(train, 0),
        "validation": validation if isinstance(validation, Split) else split(validation, 1),
        "test": split(20, 2),
        "mean": (0.4, 0.5),
        "std": (0.2, 0.3),
    }
    return Dataset(**made | fields)


def without_norm(specification=SPECIFICATION):
    """Return a specification without batch norm, whose results do not depend on how a batch is parted."""
    nodes = [
        msgspec.structs.replace(
            node, projections=tuple(msgspec.structs.replace(each, norm=False) for each in node.projections)
        )
        for node in specification.nodes
    ]
    return msgspec.structs.replace(specification, nodes=tuple(nodes))


def ann(seed=0, specification=SPECIFICATION):
    torch.manual_seed(seed)
    return ANN(specification)


def snn(seed=0, steps=3, threshold=0.3):
    torch.manual_seed(seed)
    model = SNN(SPECIFICATION, Spiking(steps=steps))
    with torch.no_grad():
        for neurons in model.neuron_list():
            neurons.threshold.fill_(threshold)
    return model


def trained(model, folder, *, data=None, objective=None, seed=3, **options):
    """Train with small settings; fields of `Training` and options of `fit` by name."""
    names = Training.__struct_fields__
    settings = {"epochs": 2, "learning_rate": 0.05, "batch_size": 20}
    settings |= {name: options.pop(name) for name in list(options) if name in names}
    return fit(
        model, data or dataset(), objective or Plain(), Training(**settings), folder=folder, seed=seed, **options
    )


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def without_times(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]

"""Linear nodes -> stages: pooling however it is written, Flatten with its axes, signals, against PyTorch."""

import itertools
from pathlib import Path

import nir
import numpy as np
import pytest
import torch
from torch.nn import functional

from spikeport.export import archive
from spikeport.export.errors import FormatError
from spikeport.export.executors import fast, floating
from spikeport.export.network import Convolution, Dense
from spikeport.export.nir_import.graph import read
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from spikeport.hardware_profiles.report import build
from tests.export.nir_import.test_graph import written

FILES = Path(__file__).parent / "files"
RNG = np.random.default_rng(0)


def integers(name, steps=5):
    return quantize(folded(read(FILES / name, steps=steps, dialect="nir")[0]))


def test_sum_pooling_costs_what_average_pooling_does():
    """The same network by AvgPool2d, and by SumPool2d with weights / 4: equal integers, so equal in everything."""
    mean, summed = integers("AvgPool2d64.nir"), integers("SumPool2d64.nir")
    assert archive.to_bytes(mean) == archive.to_bytes(summed)
    assert len(archive.to_bytes(summed)) < 78_000
    assert all(isinstance(projection.synapses, Convolution) for projection in summed.projections)
    images = np.load(FILES / "x64.npy")
    found = record(fast.steps(summed, stimulus(images, summed)))
    assert found["n3"].any()
    expected = record(fast.steps(mean, stimulus(images, mean)))
    assert all(np.array_equal(expected[name], found[name]) for name in ("n1", "n2", "n3"))
    report = build.report(summed, stimulus(images, summed), ["loihi1", "speck"])
    assert report.placement["loihi1"].cores <= 14
    assert "speck" in report.placement
    assert report.text() == build.report(mean, stimulus(images, mean), ["loihi1", "speck"]).text()


def test_sum_pooling_gives_the_spikes_of_the_file():
    """In float64, the file's own network before and after the passes."""
    images = np.load(FILES / "x64.npy")
    network = read(FILES / "SumPool2d64.nir", steps=5, dialect="nir")[0]
    driven = stimulus(images, network)
    before, after = (record(floating.steps(each, driven)) for each in (network, folded(network)))
    assert before["n3"].any()
    assert all(np.array_equal(before[name], after[name]) for name in ("n1", "n2", "n3"))


def sums(path, nodes, shape):
    """Return a signal and what the nodes in a row make of it, before and after the passes."""
    names = [f"n{index}" for index in range(len(nodes))]
    way = ["input", *names, "sum", "output"]
    written(
        path,
        dict(zip([*names, "sum"], [*nodes, nir.I(r=np.ones(1))], strict=True)),
        list(itertools.pairwise(way)),
        shape,
    )
    network = read(path, steps=1, dialect="nir")[0]
    values = RNG.integers(0, 2, (2, 1, *network.source.shape))
    driven = stimulus(values, network)
    before, after = (record(floating.steps(each, driven))["sum"][:, 0] for each in (network, folded(network)))
    assert np.array_equal(before.reshape(2, -1), after.reshape(2, -1))
    return torch.from_numpy(values[:, 0]).double(), before, folded(network).incoming("sum")[0].stages[0]


def pool(kind, size, stride, padding):
    return kind(kernel_size=np.array(size), stride=np.array(stride), padding=np.array(padding))


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [((2, 2), (2, 2), (0, 0)), ((4, 2), (3, 1), (0, 0)), ((2, 4), (2, 2), (1, 2)), ((1, 8), (1, 8), (0, 0))],
)
@pytest.mark.parametrize("kind", [nir.AvgPool2d, nir.SumPool2d])
def test_pooling_as_torch_does_it(tmp_path, kind, size, stride, padding):
    """Sides of 9 and 8 divide or not; what is left over is not read, padding counts as zeros."""
    values, found, stage = sums(tmp_path / "a.nir", [pool(kind, size, stride, padding)], (2, 9, 8))
    expected = functional.avg_pool2d(values, size, stride, padding) * (1 if kind is nir.AvgPool2d else np.prod(size))
    assert np.array_equal(found, expected.numpy())
    assert (stage.weight.shape[:2], stage.groups) == ((2, 1), 2)


def conv1d(weight, stride=1, padding=0, dilation=1, groups=1):
    return nir.Conv1d(
        input_shape=1, weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups,
        bias=np.zeros(len(weight)),
    )  # fmt: skip


def test_signals_are_pooled_along_their_length(tmp_path):
    """Conv1d, then pooling with one number for the size: (C, L) has one axis to pool."""
    weight = RNG.integers(-3, 4, (4, 1, 5)).astype(float)
    nodes = [conv1d(weight, stride=2, padding=2, groups=2), pool(nir.AvgPool2d, [2], [2], [0])]
    values, found, stage = sums(tmp_path / "a.nir", nodes, (2, 31))
    expected = functional.conv1d(values[:, :, 0], torch.from_numpy(weight), stride=2, padding=2, groups=2)
    assert np.array_equal(found[:, :, 0], functional.avg_pool1d(expected, 2).numpy())
    assert (stage.weight.shape, stage.stride, stage.groups) == ((4, 1, 1, 7), (1, 4), 2)


FLATTENS = [
    ((0, 0), None, (2, 4, 4)),
    ((0, -1), None, (32,)),
    ((1, -1), None, (2, 16)),
    ((0, 1), None, (8, 4)),
    ((-3, -2), None, (8, 4)),
    ((1, 1), None, (2, 4, 4)),
    ((1, 3), None, (32,)),
    ((1, -1), (1, 2, 4, 4), (32,)),
    ((2, -1), (1, 2, 4, 4), (2, 16)),
    ((0, 0), (1, 2, 4, 4), (2, 4, 4)),
]


@pytest.mark.parametrize(("ends", "input_type", "expected"), FLATTENS)
def test_flatten_joins_its_axes_in_c_order(tmp_path, ends, input_type, expected):
    """Axes count without the batch, or with it where the file says so, or where there is no such axis else."""
    own = np.array(input_type or (2, 4, 4))
    node = nir.Flatten({"input": own}, start_dim=ends[0], end_dim=ends[1])
    values, found, _ = sums(tmp_path / "a.nir", [node], (2, 4, 4))
    assert np.array_equal(found.reshape(2, *expected), values.numpy().reshape(2, *expected))
    network = read(tmp_path / "a.nir", steps=1, dialect="nir")[0]
    inside = (expected[0], 1, expected[1]) if len(expected) == 2 else expected
    assert network.population("sum").shape == inside


@pytest.mark.parametrize(
    ("ends", "input_type"),
    [*(((ends), (2, 4, 4)) for ends in ((1, 0), (0, 5), (-9, -1), (2, 1))), ((1, 4), (1, 2, 4, 4))],
)
def test_axes_that_do_not_exist_are_refused(tmp_path, ends, input_type):
    node = nir.Flatten({"input": np.array(input_type)}, start_dim=0, end_dim=-1)
    node.start_dim, node.end_dim = ends
    with pytest.raises(FormatError, match=r"node 'n0' \(Flatten\): "):
        sums(tmp_path / "a.nir", [node], (2, 4, 4))


def test_flatten_of_one_axis_keeps_the_shape():
    network = read(FILES / "flatten_axes.nir", steps=3, dialect="nir")[0]
    assert network.source.shape == (2, 4, 4)
    assert network.population("if").shape == (1, 2, 2)
    (stage,) = folded(network).incoming("if")[0].stages
    assert isinstance(stage, Convolution)


def test_signals_of_a_flattened_map_are_convolved_in_order(tmp_path):
    """(2, 4, 4) -> (2, 16), then three taps of each channel, as PyTorch does both."""
    weight = RNG.integers(-3, 4, (2, 1, 3)).astype(float)
    flatten = nir.Flatten({"input": np.array((2, 4, 4))}, start_dim=1, end_dim=-1)
    values, found, stage = sums(tmp_path / "a.nir", [flatten, conv1d(weight, groups=2)], (2, 4, 4))
    expected = functional.conv1d(values.flatten(2), torch.from_numpy(weight), groups=2)
    assert np.array_equal(found[:, :, 0], expected.numpy())
    assert isinstance(stage, Dense)


def test_pooling_of_a_large_image_is_a_small_kernel(tmp_path):
    nodes = [pool(nir.SumPool2d, (2, 2), (2, 2), (0, 0)), pool(nir.AvgPool2d, (4, 4), (4, 4), (0, 0))]
    values, found, stage = sums(tmp_path / "a.nir", nodes, (16, 128, 128))
    assert np.array_equal(found, functional.avg_pool2d(values, 8).numpy() * 4)
    assert stage.weight.shape == (16, 1, 8, 8)


SHAPES = [(4,), (4, 1), (4, 4), (1, 4, 4), (4, 1, 1), (4, 4, 4), (1, 4, 1, 1), (1,)]


@pytest.mark.parametrize("shape", SHAPES)
def test_scale_broadcasts_as_arrays_do(tmp_path, shape):
    """With as many channels as rows and columns: (4, 4) are rows and columns, and never channels and columns."""
    scale = RNG.integers(1, 9, shape).astype(float)
    values, found, _ = sums(tmp_path / "a.nir", [nir.Scale(scale)], (4, 4, 4))
    assert np.array_equal(found, values.numpy() * scale)


@pytest.mark.parametrize("shape", [(5,), (3, 1), (3, 5), (1, 3, 5)])
def test_scale_of_a_signal_has_its_two_axes(tmp_path, shape):
    scale = RNG.integers(1, 9, shape).astype(float)
    values, found, _ = sums(tmp_path / "a.nir", [nir.Scale(scale)], (3, 5))
    assert np.array_equal(found[:, :, 0], values.numpy()[:, :, 0] * scale)


def test_convolution_behind_a_scale_that_differs_within_channels(tmp_path):
    scale, weight = RNG.integers(1, 9, (2, 4, 4)).astype(float), RNG.integers(-3, 4, (3, 2, 3, 3)).astype(float)
    kernel = nir.Conv2d((4, 4), weight, stride=1, padding=1, dilation=1, groups=1, bias=np.zeros(3))
    values, found, _ = sums(tmp_path / "a.nir", [nir.Scale(scale), kernel], (2, 4, 4))
    expected = functional.conv2d(values * torch.from_numpy(scale), torch.from_numpy(weight), padding=1)
    assert np.array_equal(found, expected.numpy())


def test_matrix_on_the_last_axis_alone_is_refused(tmp_path):
    kernel = nir.Conv2d((4, 5), np.ones((3, 2, 1, 1)), stride=1, padding=0, dilation=1, groups=1, bias=np.zeros(3))
    with pytest.raises(FormatError, match=r"it would act on the last axis alone, .* Flatten in front of 60 inputs"):
        sums(tmp_path / "a.nir", [kernel, nir.Linear(np.ones((7, 5)))], (2, 4, 5))

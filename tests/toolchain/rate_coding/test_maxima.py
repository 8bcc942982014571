"""Max pooling as ReLUs gives the same logits, for any window, and leaves no max pooling."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.specification import (
    INPUT,
    READOUT,
    Convolution,
    Linear,
    MaxPooling,
    Node,
    Projection,
    Specification,
)
from spikeport.toolchain.rate_coding.maxima import without_max_pooling
from tests.strategies import seeds

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def network(pooling, seed, *, twice=False):
    """Return an ANN with a max pooling, perhaps read by two projections."""
    stem = Node(name="stem", projections=(Projection(source=INPUT, synapses=Convolution(channels=3)),))
    pooled = Projection(source="stem", pooling=pooling, synapses=Convolution(channels=4, bias=True), norm=True)
    nodes = [stem, Node(name="next", projections=(pooled, pooled) if twice else (pooled,))]
    nodes.append(
        Node(name=READOUT, kind="readout", projections=(Projection(source="next", synapses=Linear(features=5)),))
    )
    specification = Specification(input_shape=(2, 7, 9), mean=(0.3, 0.1), std=(0.5, 2.0), nodes=tuple(nodes))
    torch.manual_seed(seed)
    ann = ANN(specification)
    for module in ann.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    return ann.eval().double()


@given(kernel=pairs, stride=pairs, seed=seeds, borders=st.tuples(*[st.integers(0, 1)] * 4), twice=st.booleans())
def test_logits_stay(kernel, stride, seed, borders, twice):
    padding = tuple(min(border, kernel[index // 2] - 1) for index, border in enumerate(borders))
    ann = network(MaxPooling(kernel=kernel, stride=stride, padding=padding), seed % 2**31, twice=twice)
    images = torch.rand(3, 2, 7, 9, dtype=torch.float64)
    changed = without_max_pooling(ann)
    with torch.no_grad():
        torch.testing.assert_close(changed(images), ann(images), rtol=1e-12, atol=1e-12)
    pools = [p.pool() for node in changed.specification.nodes for p in node.projections]
    assert not any(isinstance(pool, MaxPooling) for pool in pools)
    added = {node.name for node in changed.neuron_nodes()} - {node.name for node in ann.neuron_nodes()}
    assert len(added) == kernel[0] + kernel[1] - 2


def test_a_network_without_max_pooling_stays_itself():
    ann = network(2, 0)
    assert without_max_pooling(ann) is ann

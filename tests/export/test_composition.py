"""Every small convolution of one row: those of a stride that do the same are written alike."""

import itertools
from collections import defaultdict

import numpy as np

from spikeport.export.composition import canonical
from spikeport.export.errors import NetworkError
from spikeport.export.linear import apply
from spikeport.export.network import Convolution

KERNELS = [kernel for size in (1, 2, 3) for kernel in itertools.product((0, 1), repeat=size) if any(kernel)]


def rows(side):
    """Yield every small convolution of a row of ``side`` values, with its matrix (outputs, side)."""
    one_by_one = np.eye(side).reshape(side, 1, 1, side)
    for kernel, stride, padding, dilation in itertools.product(KERNELS, (1, 2, 3), range(7), (1, 2)):
        weight = np.array(kernel, np.float64).reshape(1, 1, 1, -1)
        try:
            stage = Convolution(weight=weight, stride=(1, stride), padding=(0, padding), dilation=(1, dilation))
            outputs = stage.output_shape((1, 1, side))
        except NetworkError:
            continue
        found = apply(stage, one_by_one)
        assert found.shape[1:] == outputs
        yield stage, found.reshape(side, -1).T


def test_equal_rows_of_a_stride_are_written_alike_and_stay_equal():
    compared = 0
    for side in range(1, 6):
        forms = defaultdict(set)
        for stage, matrix in rows(side):
            outputs = (1, 1, len(matrix))
            form = canonical(stage, (1, 1, side), outputs)
            assert np.array_equal(apply(form, np.eye(side).reshape(side, 1, 1, side)).reshape(side, -1).T, matrix)
            key = (form.weight.tobytes(), form.stride, form.padding, form.dilation)
            forms[stage.stride, matrix.shape, matrix.tobytes()].add(key)
            compared += 1
        assert max(map(len, forms.values())) == 1
    assert compared > 1000

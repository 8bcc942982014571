"""Stages refuse what is no convolution, and what does not fit their source."""

import numpy as np
import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.network import Convolution, Dense, MaxPooling


def test_arrays_are_read_only_copies():
    weight = np.ones((1, 1), np.int8)
    dense = Dense(weight=weight)
    weight[0, 0] = 5
    assert dense.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        dense.weight[0, 0] = 2


def padded(rows, **options):
    return Convolution(weight=np.zeros((1, 1, 2, 1)), padding=(rows, 0), **options)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Convolution(weight=np.zeros((1, 1, 1))), "4 dimensions, found 3"),
        (lambda: Convolution(weight=np.zeros((1, 1, 1, 1)), stride=(1, 2**62)), "stride is .*; expected one whole"),
        (lambda: Convolution(weight=np.zeros((1, 1, 1, 1)), padding=(10**9, 0)), "padding is .*; expected one whole"),
        (lambda: Convolution(weight=np.zeros((1, 1, 0, 1))), "weight is an array of float64 of shape"),
        (lambda: Dense(weight=np.full((1, 1), np.nan)), "weight holds numbers that are not finite"),
        (lambda: Dense(weight=np.full((1, 1), 1e308)), "weight is 1e.308; expected numbers from"),
        (lambda: Dense(weight=np.ones((1, 1), bool)), "weight is an array of bool of shape"),
        (lambda: MaxPooling(size=(10**6, 1), stride=(1, 1)), "size of max pooling is 1,000,000; expected one whole"),
        (lambda: MaxPooling(size=(2, 2), stride=(1, 1)).output_shape((4,)), "max pooling by .2, 2. cannot read"),
        (
            lambda: Convolution(weight=np.zeros((1, 1, 1, 1)), stride=(0, 1)),
            "stride is 0; expected one whole number from 1",
        ),
        (lambda: Convolution(weight=np.zeros((3, 1, 1, 1)), groups=2), "3 output channels cannot form 2 groups"),
        (lambda: Convolution(weight=np.zeros((1, 1, 5, 5))).output_shape((1, 3, 3)), "does not fit into a source"),
        (lambda: Convolution(weight=np.zeros((1, 2, 1, 1))).output_shape((1, 3, 3)), "over 2 channels cannot read"),
        (lambda: padded(9).output_shape((1, 4, 4)), "padding .9, 0. of a kernel that reaches over 2 x 1 positions"),
        (
            lambda: padded(40_000, dilation=(10_000, 1)).output_shape((1, 4, 500)),
            "a source of shape .1, 4, 500. with padding .40000, 0. has 40,002,000 positions; expected at most",
        ),
        (
            lambda: Convolution(weight=np.zeros((300, 1, 1, 1))).output_shape((1, 256, 256)),
            "number of outputs of shape .300, 256, 256. is 19,660,800; expected one whole number from 1 to 16,777,216",
        ),
        (
            lambda: MaxPooling(size=(1, 2), stride=(9, 9), padding=(5, 0)).output_shape((1, 4, 4)),
            "padding .5, 0. of a kernel that reaches over 1 x 2 positions",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(NetworkError, match=message):
        build()


def test_padding_up_to_four_reaches_and_layers_of_real_networks_pass():
    assert padded(8).output_shape((1, 4, 4)) == (1, 19, 4)
    vgg = Convolution(weight=np.zeros((64, 64, 3, 3), np.int8), padding=(1, 1))
    assert vgg.output_shape((64, 224, 224)) == (64, 224, 224)
    camera = Convolution(weight=np.zeros((8, 2, 3, 3), np.int8), padding=(1, 1))
    assert camera.output_shape((2, 720, 1280)) == (8, 720, 1280)

"""Residual networks whose values follow from their places: what the recorder and the test both make, by numpy alone."""

import hashlib

import numpy as np

STEPS, CLASSES = 4, 10
NETWORKS = [(kind, depth) for kind in ("sew", "spiking") for depth in (18, 34, 50)]
SAMPLES = 8
"""Entries of the gradient of a layer's weights that are compared, beside its norm."""
PIXELS = 512
"""The same of the gradient by the images."""


def images():
    """Return images (2, 3, 32, 32) in [0, 1], and weights (2, classes) of the logits in the loss."""
    rng = np.random.default_rng(1)
    return rng.random((2, 3, 32, 32)), rng.normal(size=(2, CLASSES))


def weights(index, shape):
    """Return the weights of the synaptic layer number ``index``."""
    return np.random.default_rng([2, index]).normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))


def norm(index, channels):
    """Return slope, shift, running mean and running variance of the batch norm number ``index``."""
    rng = np.random.default_rng([3, index])
    uniform = rng.uniform(0.5, 1.5, (2, channels))
    return uniform[0], rng.normal(0.3, 0.4, channels), rng.normal(0, 0.2, channels), uniform[1]


def sampled(gradient, samples=SAMPLES):
    """Return some entries of a gradient, then its norm."""
    flat = np.ravel(gradient)
    places = np.linspace(0, len(flat) - 1, samples).astype(int)
    return np.append(flat[places], np.linalg.norm(flat))


def digest(spikes):
    """Return the number of spikes (T, N, ...) and 8 bytes of the digest of all of them."""
    bits = np.packbits(np.asarray(spikes).astype(bool))
    whole = int.from_bytes(hashlib.sha256(bits.tobytes()).digest()[:8], "big", signed=True)
    return int(np.count_nonzero(spikes)), whole

"""Seeded stratified orders: every beginning of one holds the classes nearly as often as the whole."""

import numpy as np
import numpy.typing as npt

TEST_SEED = 20_260
"""The seed of every test split that a source cuts itself, so that no run has another."""
Rows = npt.NDArray[np.int64]


def stratified_order(labels: npt.NDArray[np.int64], seed: int) -> Rows:
    """Return an order of the rows, of which the first n hold n n_c / N images of class c, up to one image.

    Image number r of the n_c of its class, in random order, has the place r / n_c; equal places are in random order. So
    the first images are one of every class.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels[shuffled] == label)
        places[rows] = np.arange(len(rows)) / len(rows)
    return shuffled[np.argsort(places, kind="stable")]


def cut(labels: npt.NDArray[np.int64], *, seed: int, limit: int | None, share: float) -> tuple[Rows, Rows]:
    """Return the rows to train on and those to validate on, ascending: of the first ``limit`` the last ``share``.

    A share above zero is one image at least.
    """
    rows = stratified_order(labels, seed)[:limit]
    kept = len(rows) - (max(1, round(share * len(rows))) if share else 0)
    return np.sort(rows[:kept]), np.sort(rows[kept:])


def test_rows(labels: npt.NDArray[np.int64], share: float) -> tuple[Rows, Rows]:
    """Return the rows to train on and those to test on, stratified, the same in every run."""
    return cut(labels, seed=TEST_SEED, limit=None, share=share)

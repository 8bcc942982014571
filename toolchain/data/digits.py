"""The embedded dataset: 1,797 handwritten 8x8 digits that ship with scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998); no download.
The 17 grey levels 0..16 are stretched to 8 bit. 500 images are held out by one fixed permutation.
"""

import numpy as np
from sklearn.datasets import load_digits

from spikeport.toolchain.data.dataset import Dataset, Split, channel_statistics

HELD_OUT = 500
SPLIT_SEED = 20_260
GREY_LEVELS = 16


def load() -> Dataset:
    """Return the digits as (1, 8, 8) images, 1,297 to train on and 500 held out."""
    images, labels = load_digits(return_X_y=True)
    stretched = np.rint(images * (255 / GREY_LEVELS)).astype(np.uint8).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    mean, std = channel_statistics(stretched[train])
    return Dataset(
        name="digits",
        classes=10,
        train=Split(images=stretched[train], labels=labels[train].astype(np.int64)),
        test=Split(images=stretched[test], labels=labels[test].astype(np.int64)),
        mean=mean,
        std=std,
    )

"""The embedded dataset: 1,797 handwritten 8x8 digits that ship with scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998); no download.
The 17 grey levels 0..16 are stretched to 8 bit. 500 images are held out by one fixed permutation.
"""

import numpy as np

from spikeport.toolchain.data.dataset import DataSource, Found, Split

HELD_OUT = 500
SPLIT_SEED = 20_260
GREY_LEVELS = 16


class Digits(DataSource, frozen=True, kw_only=True, tag="digits"):
    """Images (1, 8, 8): 1,297 to train on and 500 held out."""

    def found(self) -> Found:
        """Return the digits; 500 are held out by one permutation, whatever the seed."""
        from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second, which other sources need not wait

        images, labels = load_digits(return_X_y=True)
        stretched = np.rint(images * (255 / GREY_LEVELS)).astype(np.uint8).reshape(-1, 1, 8, 8)
        order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
        every = Split(images=stretched, labels=labels.astype(np.int64))
        return Found(
            name="digits",
            place="digits",
            classes=10,
            train=every.part(order[HELD_OUT:]),
            test=every.part(order[:HELD_OUT]),
        )

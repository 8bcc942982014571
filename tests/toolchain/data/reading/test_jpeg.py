"""JPEG images -> pixels."""

import struct

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data.reading import jpeg
from tests.toolchain.data import made

IMAGE = made.random_images(1)[0][0]


def test_a_grey_image_has_three_equal_channels():
    (found,) = jpeg.decoded([("a", made.jpeg(IMAGE[0]))], 1, 32)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_channels_come_first_and_colours_in_their_order():
    colour = np.zeros((3, 32, 32), np.uint8)
    colour[0], colour[1] = 200, 100
    (found,) = jpeg.decoded([("a", made.jpeg(colour, quality=100, subsampling=0))], 1, 32)
    assert np.abs(found.astype(int) - colour).max() <= 2


def claiming(side):
    """Return a JPEG whose header claims other sides."""
    data = bytearray(made.jpeg(IMAGE))
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (claiming(65_500), "bomb|65500 x 65500 pixels; expected 32 x 32"),
        (claiming(5000), "5000 x 5000 pixels; expected 32 x 32"),
        (made.jpeg(IMAGE)[:400], "not a JPEG image"),
        (b"", "not a JPEG image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a JPEG image"),
    ],
)
def test_what_is_no_image_of_the_size_is_refused_by_name(data, words):
    with pytest.raises(DataError, match=rf"image 3: .*({words})"):
        jpeg.decoded([("image 3", data)], 1, 32)


def test_pixels_are_counted_before_they_are_made():
    with pytest.raises(DataError, match="10,000,000,000 images of 64 x 64 pixels; at most"):
        jpeg.decoded([], 10**10, 64)

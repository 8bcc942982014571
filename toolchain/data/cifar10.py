"""CIFAR-10: 60,000 colour images (3, 32, 32) of 10 classes, 10,000 of them to test on."""

from typing import ClassVar

from spikeport.toolchain.data.cifar import Cifar, Form
from spikeport.toolchain.data.reading.places import Published

ADDRESS = "https://www.cs.toronto.edu/~kriz/"


class Cifar10(Cifar, frozen=True, kw_only=True, tag="cifar10"):
    """CIFAR-10 as published, or as JPEG copies; see `cifar.Cifar`."""

    FORM: ClassVar[Form] = Form(
        name="CIFAR-10",
        stem="cifar-10",
        classes=10,
        folders=("cifar-10-batches-bin", "cifar-10-batches-py"),
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        counts=(10_000, 10_000),
        label_bytes=1,
        label=0,
        key="labels",
        binary=Published(address=f"{ADDRESS}cifar-10-binary.tar.gz", md5="c32a1d4ab5d03f1284b67883e8d87530"),
        python=Published(address=f"{ADDRESS}cifar-10-python.tar.gz", md5="c58f30108f718f92721af3b95e74349a"),
    )

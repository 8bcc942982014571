"""CIFAR-100: 60,000 colour images (3, 32, 32) of 100 classes in 20 groups, 10,000 of them to test on."""

from dataclasses import replace
from typing import ClassVar, Literal

from spikeport.toolchain.data.cifar import Cifar, Form
from spikeport.toolchain.data.cifar10 import ADDRESS
from spikeport.toolchain.data.reading.places import Published


class Cifar100(Cifar, frozen=True, kw_only=True, tag="cifar100"):
    """CIFAR-100 as published, or as JPEG copies; ``labels``: the 100 fine classes, or their 20 coarse groups."""

    FORM: ClassVar[Form] = Form(
        name="CIFAR-100",
        stem="cifar-100",
        classes=100,
        folders=("cifar-100-binary", "cifar-100-python"),
        train=("train",),
        test="test",
        counts=(50_000, 10_000),
        label_bytes=2,
        label=1,
        key="fine_labels",
        binary=Published(address=f"{ADDRESS}cifar-100-binary.tar.gz", md5="03b5dce01913d631647c71ecec9e9cb8"),
        python=Published(address=f"{ADDRESS}cifar-100-python.tar.gz", md5="eb9058c3a382ffc7106e4002c42a8d85"),
    )
    labels: Literal["fine", "coarse"] = "fine"

    def form(self) -> Form:
        """Return the form with the labels that were asked for."""
        if self.labels == "fine":
            return self.FORM
        return replace(self.FORM, name="CIFAR-100 (20 groups)", classes=20, label=0, key="coarse_labels")

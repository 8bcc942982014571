"""How a network is attacked."""

from collections.abc import Sequence
from dataclasses import dataclass

from spikeport.export.cluster import Cluster


@dataclass(frozen=True, kw_only=True)
class AttackSettings:
    """How a network is attacked.

    ``suite``: paper, quick, rsc or the path of a .toml file (docs/robustness.md). ``queries``: in place of the suite's,
    for attacks that are bounded by queries. ``seed`` of all random numbers. ``images``: so many of the first.
    ``every_member``: each gradient on every image, broken or not, for a table of single members. ``batch_size``: images
    of a step; parts of four times as many are given to processes and kept. ``cluster``: processes, or a Dask
    scheduler. ``device``: of the float network, auto, cpu, cuda or mps. ``mean`` and ``std``: of the training, for .pt2
    and .onnx files, whose networks take normalised pixels. ``resume``: the folder must hold an interrupted attack.
    """

    suite: str = "paper"
    queries: int | None = None
    seed: int = 0
    images: int | None = None
    every_member: bool = False
    batch_size: int = 100
    cluster: Cluster | None = None
    device: str = "auto"
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    resume: bool = False

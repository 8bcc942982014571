"""All executors against the fast one on the held-out images, and the accuracy of the integers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from spikeport.export import archive, fidelity
from spikeport.export.errors import SpikeportError
from spikeport.export.executors import executor, fast
from spikeport.export.lava import environment
from spikeport.export.stimulus import read, stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs


class Check(Stage, frozen=True, kw_only=True, tag="check"):
    """Compares ``executors`` with the fast one, every neuron and every step; accuracies come from the same run."""

    TAKES: ClassVar = ("network", "adversarial")
    USES: ClassVar = ("data", "evaluate.images")

    executors: tuple[str, ...] = ("lava", "onnx", "nir")

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "network", "a stage 'quantize'")
        return {}

    def faults(self) -> Iterator[tuple[str, str]]:
        if not set(self.executors) - {fidelity.BASE}:
            yield "executors", f"names nothing to compare with {fidelity.BASE}"
        for index, name in enumerate(self.executors):
            try:
                executor(name)
            except SpikeportError as error:
                yield f"executors[{index}]", str(error)

    def look_ahead(self, images: Any, recipe: Any, available: Mapping[str, str]) -> None:
        del images, recipe, available
        if "lava" in self.executors:
            environment.python()

    def run(self, run: Run, source: Artefacts) -> Result:
        network = archive.read_integer(source["network"])
        images, labels = run.held_out()
        fidelities, chosen = fidelity.check(network, stimulus(images, network), list(self.executors))
        clean = (chosen == labels).mean(axis=1).tolist()
        metrics: dict[str, Any] = {
            "fidelity": {name: fidelity.summary(each) for name, each in fidelities.items()},
            "accuracy": dict(zip([*fidelities, "integer"], clean, strict=True)),
        }
        if "adversarial" in source:
            adversarial, _ = read(source["adversarial"], network)
            metrics["robust"] = float((predicted(network, adversarial, fast.steps) == labels).mean())
        return Result(metrics=metrics)

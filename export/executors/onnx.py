"""The exported ONNX model, run by onnxruntime on the CPU."""

from collections.abc import Iterator

import numpy as np
import onnxruntime

from export.formats.onnx import records, rest, to_model
from export.network import Array, IntegerNetwork
from export.stimulus import Stimulus
from export.trace import Step

BATCH = 100


def steps(network: IntegerNetwork, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Export ``network``, run the model and yield every step of every batch of at most ``batch`` samples."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        to_model(network).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for rows in stimulus.batches(batch):
        yield from _run(network, stimulus, rows, session)


def _run(
    network: IntegerNetwork, stimulus: Stimulus, rows: slice, session: onnxruntime.InferenceSession
) -> Iterator[Step]:
    count = rows.stop - rows.start
    frames = np.stack([stimulus.frame(rows, step) for step in range(stimulus.steps)]).astype(np.uint8)
    feed = rest(network, count)
    names = [name for name, _ in records(network)]
    results: list[Array] = session.run(names, {"input": frames, **feed})
    recorded = {population.name: result for (_, population), result in zip(records(network), results, strict=True)}
    for step in range(stimulus.steps):
        yield Step(
            rows=rows,
            step=step,
            source=frames[step],
            spikes={p.name: recorded[p.name][step].astype(bool) for p in network.spiking},
            potentials={p.name: recorded[p.name][step] for p in network.silent},
        )

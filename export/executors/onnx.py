"""The exported ONNX model, run by onnxruntime on the CPU.

onnxruntime's telemetry is off, unless the environment says otherwise: it leaves files in the temporary folder and in
the home folder, and sends events over the network.
"""

import os
from collections.abc import Iterator

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from spikeport.export.formats import onnx, onnx_float
from spikeport.export.network import Array, BiasNetwork, FloatNetwork, IntegerNetwork, Network, Source
from spikeport.export.onnx_graph import records
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step, until_end

NETWORKS = (FloatNetwork, IntegerNetwork, BiasNetwork)
BATCH = 100


@until_end
def steps(network: Network, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Export ``network``, run the model and yield every step of every batch of at most ``batch`` samples."""
    network = network.with_short_delays()
    if isinstance(network, BiasNetwork):
        stimulus.require_held()
    session = _session(network)
    for rows in stimulus.batches(batch):
        yield from _run(network, stimulus, rows, session)


def check(network: Network) -> None:
    """Raise what keeps ``network`` from becoming a model that onnxruntime loads."""
    _session(network.with_short_delays())


def _session(network: Network) -> onnxruntime.InferenceSession:
    model = onnx_float.to_model(network) if isinstance(network, FloatNetwork) else onnx.to_model(network)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(network: Network, stimulus: Stimulus, rows: slice, session: onnxruntime.InferenceSession) -> Iterator[Step]:
    frames = np.stack([stimulus.frame(rows, step) for step in range(stimulus.steps)])
    names = [name for name, _ in records(network)]
    results: list[Array] = session.run(names, _feed(network, frames))
    recorded = {population.name: result for (_, population), result in zip(records(network), results, strict=True)}
    for step in range(stimulus.steps):
        yield Step(
            rows=rows,
            step=step,
            source=frames[step],
            spikes={p.name: _spikes(recorded[p.name][step]) for p in network.spiking},
            potentials={p.name: recorded[p.name][step] for p in network.silent},
        )


def _feed(network: Network, frames: Array) -> dict[str, Array]:
    samples, source = frames.shape[1], network.source.neuron
    assert isinstance(source, Source)
    if not isinstance(network, FloatNetwork):
        return {"input": frames.astype(np.uint8), **onnx.rest(network, samples)}
    values = frames if frames.dtype.kind == "f" else frames * source.unit
    return {"input": values.astype(np.float32), **onnx_float.rest(network, samples)}


def _spikes(recorded: Array) -> Array:
    """Return bits where no neuron fired twice, else numbers."""
    return recorded.astype(bool) if recorded.max(initial=0) <= 1 else recorded

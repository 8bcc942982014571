"""From a float network to integers, their fidelity, and what they cost on a chip.

Usage: python fidelity_and_cost.py network_float.safetensors images.npz
"""

import sys
from pathlib import Path

import spikeport


def main(network: Path, images: Path) -> int:
    """Quantize, check and price a network; return the exit code."""
    quantized = spikeport.quantize(network, settings=spikeport.QuantizeSettings(weight_bits=6))
    settings = spikeport.CheckSettings(executors=("onnx", "nir"))
    verdict: spikeport.Verdict = spikeport.check(quantized.network, images, settings=settings)
    simulation = spikeport.simulate(quantized.network, images)
    energy = spikeport.energy(quantized.network, images, "loihi1")
    placement = spikeport.place(quantized.network, "loihi1")
    print(verdict.text())
    print(f"accuracy {simulation.accuracy}, {len(placement.cores)} cores, {energy.synaptic_operations * 1e6:.2f} uJ")
    report: spikeport.Report = spikeport.report(quantized.network, images, profiles=["loihi2"])
    return 0 if verdict.passed and report.passed else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

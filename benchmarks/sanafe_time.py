"""Our time of one image alone over SANA-FE's, per network of tests/oracles/hardware, with the same constants and cores.

python benchmarks/sanafe_time.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.oracles.hardware.times import times


def ratios() -> dict[str, dict[str, float]]:
    """Return per network our seconds over SANA-FE's, by its timing model."""
    return {name: each.ratios for name, each in times().items()}


def table() -> str:
    """Return the seconds and their ratios as markdown."""
    lines = ["| network | ours | SANA-FE simple | detailed | ratio | ratio |", "| --- | --- | --- | --- | --- | --- |"]
    for name, each in times().items():
        seconds = " | ".join(f"{1e6 * value:.1f} us" for value in (each.ours, each.simple, each.detailed))
        lines.append(f"| {name} | {seconds} | {each.ratios['simple']:.3f} | {each.ratios['detailed']:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())

"""How fast attacks are, and how near to those of other libraries: four figures with their goals.

    python benchmarks/attacks.py [--json] [--out PATH] [--only PART ...] [--art FOLDER] [--threads 2]

| figure | goal | part |
| --- | --- | --- |
| `ensemble_speedup` | >= 3 | `ensemble`: the paper's 19 members against a loop over them (`attacks_ensemble.py`) |
| `square_speedup`, `square_queries_per_second` | >= 5 | `square`: on integers, 90 % sparse (`attacks_deployed.py`) |
| `art_speedup` | >= 1 | `art`: PGD on an ANN (`attacks_rivals.py`) |
| `max_disagreement_points` | <= 1 | `accuracy`: robust accuracy against four libraries (`attacks_rivals.py`) |

FOLDER is that of

    pip install --no-deps --target FOLDER adversarial-robustness-toolbox==1.20.1 six tqdm setuptools

A figure that was not measured stands in ``not_measured`` with the reason.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from attacks_deployed import deployed_part
from attacks_ensemble import ensemble_part
from attacks_rivals import Recorded, accuracy_part, art_part
from simulator import processor

GOALS = {"ensemble_speedup": (3, True), "square_speedup": (5, True), "art_speedup": (1, True),
         "max_disagreement_points": (1, False)}  # fmt: skip
"""Figures with what they have to reach, and whether more is better."""
FIGURES = {"ensemble": "ensemble_speedup", "square": "square_speedup", "art": "art_speedup",
           "accuracy": "max_disagreement_points"}  # fmt: skip
Parts = dict[str, Callable[[], dict[str, Any]]]


def parts_of(given: argparse.Namespace) -> Parts:
    """Return what measures each part."""
    return {
        "ensemble": partial(
            ensemble_part, images=given.images, batch=given.batch, repeats=given.repeats, epochs=given.epochs
        ),
        "square": partial(
            deployed_part, batch=given.square_batch, queries=given.queries, sparsities=given.sparsity or ()
        ),
        "art": lambda: art_part(Recorded(), given.art_repeats),
        "accuracy": lambda: accuracy_part(Recorded()),
    }


def measured(parts: Parts, only: list[str] | None) -> dict[str, Any]:
    """Return figures, what is missing with the reason, and the rest by part."""
    figures: dict[str, Any] = {}
    missing: dict[str, str] = {}
    details: dict[str, Any] = {}
    for name, run in parts.items():
        if only is not None and name not in only:
            missing[FIGURES[name]] = f"not asked for: --only {' '.join(only)}"
            continue
        try:
            found = run()
        except ImportError as error:
            missing[FIGURES[name]] = f"{error}; give --art FOLDER with ART" if name == "art" else str(error)
            continue
        figures |= {key: value for key, value in found.items() if isinstance(value, float)}
        details[name] = {key: value for key, value in found.items() if not isinstance(value, float)}
    return {**figures, "not_measured": missing, "parts": details}


def reached(found: dict[str, Any]) -> dict[str, bool]:
    """Return for each goal whose figure was measured whether it is reached."""
    return {
        name: found[name] >= goal if more else found[name] <= goal
        for name, (goal, more) in GOALS.items()
        if name in found
    }


def parsed() -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--out", type=Path, help="write JSON")
    parser.add_argument("--only", nargs="+", choices=list(FIGURES), help="parts to measure")
    parser.add_argument("--art", help="folder in which ART is installed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sparsity", type=float, nargs="+", help="further ones for Square")
    counts = {
        "images": 400,
        "batch": 100,
        "repeats": 3,
        "epochs": 8,
        "square-batch": 64,
        "queries": 4,
        "art-repeats": 9,
    }
    for name, value in counts.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def main() -> None:
    """Measure, print, write what was asked for."""
    given = parsed()
    torch.set_num_threads(given.threads)
    sys.path += [given.art] if given.art else []
    about = {
        "processor": processor(),
        "threads": given.threads,
        "torch": torch.__version__,
        "load_before": os.getloadavg()[0],
    }
    found = measured(parts_of(given), given.only)
    goals = {name: f"{'>=' if more else '<='} {goal}" for name, (goal, more) in GOALS.items()}
    result = {**about, "load_after": os.getloadavg()[0], "goals": goals, "reached": reached(found), **found}
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    if given.json:
        print(text)
        return
    for name, value in found.items():
        if isinstance(value, float):
            print(f"{name} {value:.3g}" + (f" (goal {goals[name]})" if name in goals else ""))
    for name, reason in found["not_measured"].items():
        print(f"{name} not measured: {reason}")


if __name__ == "__main__":
    main()

"""What a training step of a VGG costs, beside SpikingJelly, snnTorch and its bare convolutions.

    python benchmarks/training.py [--json] [--out PATH] [--networks vgg11 vgg16] [--batch 16] [--repeats 15]
        [--spikingjelly DIR ...] [--snntorch DIR ...] [--compile]

CIFAR shapes, T = 8, plain cross-entropy, fused SGD with momentum. ``DIR`` are folders that a framework and what it
needs were installed in (``pip install --no-deps --target DIR``); ratios of a framework that is not given are absent.
All candidates take turns in one process, so load hits them alike; ratios are medians over the turns, of elapsed time
and of processor time. ``--compile`` adds SpikingJelly under ``torch.compile``, which needs a C++ compiler and minutes.
The activation memory is the most that PyTorch's allocator holds within a step beyond what it held before.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from training_rivals import rivals
from training_rivals.floor import Floor

from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.vgg import VGG11, VGG16, Vgg
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking

PLANS: dict[str, Any] = {"vgg11": VGG11, "vgg16": VGG16}
HEAD, CLASSES, STEPS = (256, 256), 10, 8
GOALS = {
    "time_vs_floor": "<= 1.05",
    "speed_vs_spikingjelly": ">= 1.05",
    "memory_vs_spikingjelly": "<= 0.5",
    "eq8_vs_floor": "<= 1.1",
}
EPSILON, BETA = 8 / 255, 2.0

Step = Callable[[], None]


def ours(plan: Any) -> SNN:
    """Return the network of the product, in training."""
    images = Images(classes=CLASSES, shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)
    return SNN(Vgg(plan=plan, head=HEAD).specification(images), Spiking(steps=STEPS)).train()


def training_step(model: nn.Module, images: Tensor, labels: Tensor, after: Step = lambda: None) -> Step:
    """Return forward, backward and update."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        after()

    return step


def finetuning_step(model: nn.Module, images: Tensor, labels: Tensor) -> Step:
    """Return a step of Eq. 8 with RFGSM (Schmolli et al., CPAL 2025); the attack runs in evaluation mode."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def divergence(logits: Tensor, other: Tensor) -> Tensor:
        first, second = functional.log_softmax(logits, 1), functional.log_softmax(other, 1)
        return functional.kl_div(second, first, reduction="batchmean", log_target=True)

    def step() -> None:
        model.eval()
        with torch.no_grad():
            target = model(images)
        started = (images + EPSILON / 2 * torch.randn_like(images).sign()).clamp(0, 1).requires_grad_()
        (gradient,) = torch.autograd.grad(divergence(model(started), target), started)
        attacked = started.detach() + EPSILON / 2 * gradient.sign()
        attacked = attacked.clamp(images - EPSILON, images + EPSILON).clamp(0, 1)
        model.train()
        optimizer.zero_grad()
        clean = model(images)
        loss = functional.cross_entropy(clean, labels) + BETA * divergence(model(attacked), clean)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def finetuning_floor(floor: Floor) -> Step:
    """Return the bare convolutions of that step: forward; forward and back to the images; twice forward and back."""

    def step() -> None:
        floor.forward()
        floor.attack()
        floor.step()
        floor.step()

    return step


def candidates(name: str, batch: int, arguments: argparse.Namespace) -> dict[str, Step]:
    """Return the steps that are measured, by name."""
    plan, images, labels = PLANS[name], torch.rand(batch, 3, 32, 32), torch.randint(0, CLASSES, (batch,))
    floor = Floor(plan, HEAD, CLASSES, STEPS * batch)
    steps = {"floor": floor.step, "spikeport": training_step(ours(plan), images, labels)}
    steps |= {"eq8_floor": finetuning_floor(floor), "eq8": finetuning_step(ours(plan), images, labels)}
    sizes = (plan, HEAD, CLASSES, STEPS)
    if arguments.spikingjelly:
        model = rivals.Rival(*sizes, rivals.spikingjelly_neurons)
        steps["spikingjelly"] = training_step(model, images, labels, lambda: rivals.reset(model))
    if arguments.spikingjelly and arguments.compile:
        fused = rivals.Rival(*sizes, rivals.spikingjelly_neurons)
        steps["spikingjelly_compiled"] = training_step(
            torch.compile(fused), images, labels, lambda: rivals.reset(fused)
        )
    if arguments.snntorch:
        steps["snntorch"] = training_step(rivals.Rival(*sizes, rivals.SnnTorchNeurons), images, labels)
    return steps


def turns(steps: dict[str, Step], repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    """Run all steps in turn; return elapsed and processor seconds of each."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            began = time.perf_counter(), time.process_time()
            step()
            for each, start, now in zip(found[name], began, (time.perf_counter(), time.process_time()), strict=True):
                each.append(now - start)
    return found


def activation_bytes(step: Step) -> int:
    """Return the most that a step holds beyond what was held before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step()
    assert profiled.profiler is not None
    events: list[Any] = profiled.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


def measured(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one network."""
    torch.manual_seed(0)
    steps = candidates(name, arguments.batch, arguments)
    for step in steps.values():
        step()
        step()
    memory = {each: activation_bytes(step) for each, step in steps.items() if "floor" not in each}
    seconds = turns(steps, arguments.repeats)
    median = {each: statistics.median(elapsed) for each, (elapsed, _) in seconds.items()}
    result: dict[str, Any] = {
        "batch": arguments.batch,
        "seconds": median,
        "processor_seconds": {each: statistics.median(used) for each, (_, used) in seconds.items()},
        "images_per_second": {each: arguments.batch / value for each, value in median.items()},
        "activation_megabytes": {each: value / 1e6 for each, value in memory.items()},
        "time_vs_floor": ratio(seconds, "spikeport", "floor"),
        "eq8_vs_floor": ratio(seconds, "eq8", "eq8_floor"),
        "processor_time_vs_floor": ratio(seconds, "spikeport", "floor", 1),
        "processor_eq8_vs_floor": ratio(seconds, "eq8", "eq8_floor", 1),
    }
    jelly = [each for each in seconds if each.startswith("spikingjelly")]
    if jelly:
        best = min(jelly, key=median.__getitem__)
        result["best_spikingjelly"] = best
        result["speed_vs_spikingjelly"] = ratio(seconds, best, "spikeport")
        result["processor_speed_vs_spikingjelly"] = ratio(seconds, best, "spikeport", 1)
        result["memory_vs_spikingjelly"] = memory["spikeport"] / memory[best]
    if "snntorch" in seconds:
        result["speed_vs_snntorch"] = ratio(seconds, "snntorch", "spikeport")
        result["memory_vs_snntorch"] = memory["spikeport"] / memory["snntorch"]
    return result


def ratio(seconds: dict[str, tuple[list[float], list[float]]], one: str, other: str, which: int = 0) -> float:
    """Return the median over the turns of one candidate's time divided by another's."""
    return statistics.median(a / b for a, b in zip(seconds[one][which], seconds[other][which], strict=True))


def parsed() -> argparse.Namespace:
    """Read the command line and put the frameworks' folders on the path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=PLANS, default=list(PLANS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--spikingjelly", nargs="+", metavar="DIR", default=[])
    parser.add_argument("--snntorch", nargs="+", metavar="DIR", default=[])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    parser.add_argument("--out", metavar="PATH", help="write the JSON to a file, too")
    arguments = parser.parse_args()
    sys.path[1:1] = [*arguments.spikingjelly, *arguments.snntorch]
    return arguments


def main() -> None:
    """Measure and print."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    result = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": arguments.threads,
        "load_before": os.getloadavg()[0],
        "torch": torch.__version__,
        "goals": GOALS,
        "absent": [each for each in ("spikingjelly", "snntorch") if not getattr(arguments, each)],
    }
    result |= {name: measured(name, arguments) for name in arguments.networks}
    text = json.dumps(result, indent=2)
    if arguments.out:
        Path(arguments.out).write_text(text + "\n", encoding="utf-8")
    print(text if arguments.json else table(result, arguments.networks))


def table(result: dict[str, Any], networks: list[str]) -> str:
    """Return the figures as lines."""
    lines = [f"{result['threads']} threads on {result['cores']} cores, torch {result['torch']}"]
    for name in networks:
        for key, value in result[name].items():
            shown = {k: round(v, 3) for k, v in value.items()} if isinstance(value, dict) else value
            lines.append(f"{name} {key}: {round(shown, 3) if isinstance(shown, float) else shown}")
    if result["absent"]:
        lines.append(
            f"without {', '.join(result['absent'])}: its ratios are absent (--spikingjelly DIR, --snntorch DIR)"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

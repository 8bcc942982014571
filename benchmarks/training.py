"""What a training step of a VGG costs, beside SpikingJelly, snnTorch and its bare convolutions.

    python benchmarks/training.py [--json] [--out PATH] [--networks vgg11 vgg16] [--batch 16] [--repeats 15]
        [--spikingjelly DIR ...] [--snntorch DIR ...] [--compile] [--device cuda]

CIFAR shapes, T = 8, plain cross-entropy, fused SGD with momentum. ``DIR`` are folders that a framework and what it
needs were installed in (``pip install --no-deps --target DIR``); ratios of a framework that is not given are absent.
All candidates take turns in one process, so load hits them alike; ratios are medians over the turns, of elapsed time
and of processor time. ``--compile`` adds SpikingJelly under ``torch.compile``, which needs a C++ compiler and minutes.
``guarding_cost`` is a step with noisy neurons and the penalty of threshold guarding against the same step without both.
The activation memory is the most that PyTorch's allocator holds within a step beyond what it held before.
On a GPU a turn is ten steps, SpikingJelly chooses its back end (kernels in CUDA or Triton), and it and the product run
in both memory layouts; the better one counts.
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
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.objectives.threshold_guarding import ThresholdGuarding
from spikeport.toolchain.training.heap import keep_freed_memory

PLANS: dict[str, Any] = {"vgg11": VGG11, "vgg16": VGG16}
HEAD, CLASSES, STEPS = (256, 256), 10, 8
GOALS = {
    "time_vs_floor": "<= 1.05",
    "speed_vs_spikingjelly": ">= 1.05",
    "memory_vs_spikingjelly": "<= 0.5",
    "eq8_vs_floor": "<= 1.1",
    "guarding_cost": "<= 1.1",
    "speed_vs_spikingjelly on a GPU": ">= 1.2",
}
EPSILON, BETA = 8 / 255, 2.0
MARGIN, NOISE = 0.2, 0.2

Step = Callable[[], None]


def ours(plan: Any, noise: float = 0.0) -> SNN:
    """Return the network of the product, in training."""
    images = Images(classes=CLASSES, shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)
    return SNN(Vgg(plan=plan, head=HEAD).specification(images), Spiking(steps=STEPS, noise=noise)).train()


def training_step(model: nn.Module, images: Tensor, labels: Tensor, after: Step = lambda: None) -> Step:
    """Return forward, backward and update."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        after()

    return step


def guarded_step(model: nn.Module, images: Tensor, labels: Tensor) -> Step:
    """Return the same with the penalty on potentials near thresholds."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)
    objective = ThresholdGuarding(task=Plain(), margin=MARGIN)
    generator = torch.Generator()

    def step() -> None:
        optimizer.zero_grad()
        objective(model, images, labels, generator=generator).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

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


def candidates(name: str, arguments: argparse.Namespace) -> dict[str, Step]:
    """Return the steps that are measured, by name."""
    plan, batch, device = PLANS[name], arguments.batch, arguments.device
    images, labels = torch.rand(batch, 3, 32, 32, device=device), torch.randint(0, CLASSES, (batch,), device=device)
    floor = Floor(plan, HEAD, CLASSES, STEPS * batch, device)
    steps = {"floor": floor.step, "eq8_floor": finetuning_floor(floor)}
    for form, layout in layouts(device).items():
        laid = images.contiguous(memory_format=layout)
        networks = [ours(plan).to(device).to(memory_format=layout) for _ in range(2)]  # type: ignore[call-overload]
        steps[f"spikeport{form}"] = training_step(networks[0], laid, labels)
        steps[f"eq8{form}"] = finetuning_step(networks[1], laid, labels)
        others = guarding_steps(plan, laid, labels, layout) | rival_steps(plan, laid, labels, layout, arguments)
        steps |= {other + form: step for other, step in others.items()}
    return steps


def guarding_steps(plan: Any, images: Tensor, labels: Tensor, layout: Any) -> dict[str, Step]:
    """Return the step of the product with noisy neurons, with guarded ones, and with both."""
    kinds = {"noisy": (NOISE, training_step), "guarded": (0.0, guarded_step), "both": (NOISE, guarded_step)}
    found = {}
    for name, (noise, step) in kinds.items():
        model = ours(plan, noise).to(images.device).to(memory_format=layout)  # type: ignore[call-overload]
        found[name] = step(model, images, labels)
    return found


def layouts(device: str) -> dict[str, torch.memory_format]:
    """Return the memory layouts that are measured, by the end of a candidate's name."""
    plain = {"": torch.contiguous_format}
    return plain | {"_channels_last": torch.channels_last} if device == "cuda" else plain


def rival_steps(
    plan: Any, images: Tensor, labels: Tensor, layout: Any, arguments: argparse.Namespace
) -> dict[str, Step]:
    """Return the steps of the frameworks that are at hand."""

    def rival(neurons: Any) -> nn.Module:
        model = rivals.Rival(plan, HEAD, CLASSES, STEPS, neurons).to(images.device)
        return model.to(memory_format=layout)  # type: ignore[no-any-return, call-overload]

    steps = {}
    if arguments.spikingjelly:
        model = rival(rivals.spikingjelly_neurons)
        steps["spikingjelly"] = training_step(model, images, labels, lambda: rivals.reset(model))
    if arguments.spikingjelly and arguments.compile:
        fused = rival(rivals.spikingjelly_neurons)
        steps["spikingjelly_compiled"] = training_step(
            torch.compile(fused), images, labels, lambda: rivals.reset(fused)
        )
    if arguments.snntorch:
        steps["snntorch"] = training_step(rival(rivals.SnnTorchNeurons), images, labels)
    return steps


def finished() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def turns(steps: dict[str, Step], repeats: int, at_once: int) -> dict[str, tuple[list[float], list[float]]]:
    """Run all steps in turn, ``at_once`` of one; return elapsed and processor seconds of each."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            finished()
            began = time.perf_counter(), time.process_time()
            for _ in range(at_once):
                step()
            finished()
            for each, start, now in zip(found[name], began, (time.perf_counter(), time.process_time()), strict=True):
                each.append((now - start) / at_once)
    return found


def activation_bytes(step: Step) -> int:
    """Return the most that a step holds beyond what was held before it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
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
    steps = candidates(name, arguments)
    for step in steps.values():
        step()
        step()
    memory = {each: activation_bytes(step) for each, step in steps.items() if "floor" not in each}
    seconds = turns(steps, arguments.repeats, 10 if arguments.device == "cuda" else 1)
    median = {each: statistics.median(elapsed) for each, (elapsed, _) in seconds.items()}

    def best(kind: str) -> str:
        return min((each for each in median if each.startswith(kind)), key=median.__getitem__)

    spikeport = best("spikeport")
    eq8 = min((each for each in median if each.startswith("eq8") and each != "eq8_floor"), key=median.__getitem__)
    result: dict[str, Any] = {
        "batch": arguments.batch,
        "seconds": median,
        "processor_seconds": {each: statistics.median(used) for each, (_, used) in seconds.items()},
        "images_per_second": {each: arguments.batch / value for each, value in median.items()},
        "activation_megabytes": {each: value / 1e6 for each, value in memory.items()},
        "best_spikeport": spikeport,
        "time_vs_floor": ratio(seconds, spikeport, "floor"),
        "eq8_vs_floor": ratio(seconds, eq8, "eq8_floor"),
        "processor_time_vs_floor": ratio(seconds, spikeport, "floor", 1),
        "processor_eq8_vs_floor": ratio(seconds, eq8, "eq8_floor", 1),
        "guarding_cost": ratio(seconds, best("both"), spikeport),
        "processor_guarding_cost": ratio(seconds, best("both"), spikeport, 1),
        "noise_alone": ratio(seconds, best("noisy"), spikeport),
        "penalty_alone": ratio(seconds, best("guarded"), spikeport),
        "processor_noise_alone": ratio(seconds, best("noisy"), spikeport, 1),
        "processor_penalty_alone": ratio(seconds, best("guarded"), spikeport, 1),
    }
    for framework in ("spikingjelly", "snntorch"):
        if getattr(arguments, framework):
            other = best(framework)
            result |= {
                f"best_{framework}": other,
                f"speed_vs_{framework}": ratio(seconds, other, spikeport),
                f"processor_speed_vs_{framework}": ratio(seconds, other, spikeport, 1),
                f"memory_vs_{framework}": memory[spikeport] / memory[other],
            }
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
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    parser.add_argument("--out", metavar="PATH", help="write the JSON to a file, too")
    arguments = parser.parse_args()
    sys.path[1:1] = [*arguments.spikingjelly, *arguments.snntorch]
    return arguments


def main() -> None:
    """Measure and print."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # as a run does; the floor and the rivals gain by it, too
    result = {
        "machine": platform.processor() or platform.machine(),
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
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

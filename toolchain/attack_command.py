"""The command ``spikeport attack``: robust accuracy of a network, and of its integers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.exits import say
from spikeport.toolchain.options import cluster_of, grouped, numbers
from spikeport.toolchain.saving import saving_tables


@grouped(cluster=cluster_of, saved=saving_tables)
def attack(
    network: Annotated[Path, typer.Argument(help="Checkpoint or archive (.safetensors), .pt2 or .onnx.")],
    input: Annotated[Path, typer.Option("--input", help="Images with labels, as for simulate.")],
    eps: Annotated[str, typer.Option(help="Epsilons in levels of 1/255, comma-separated.")] = "2,4,8",
    suite: Annotated[str, typer.Option(help="paper, quick, rsc, black_box, or a .toml file.")] = "paper",
    float_: Annotated[
        Path | None, typer.Option("--float", help="Of an archive: the checkpoint, .pt2 or .onnx that it was made of.")
    ] = None,
    queries: Annotated[int | None, typer.Option(help="Of black-box attacks, in place of the suite's.", min=1)] = None,
    images: Annotated[int | None, typer.Option(help="So many of the first.", min=1)] = None,
    out: Annotated[Path, typer.Option(help="Folder for attack.json, worst images, finished parts.")] = Path("attack"),
    resume: Annotated[bool, typer.Option("--resume", help="Only if --out holds an interrupted attack.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
    every_member: Annotated[
        bool, typer.Option("--every-member", help="Each gradient on every image, broken or not.")
    ] = False,
    batch: Annotated[int, typer.Option(help="Images of a step; a part has up to four times as many.", min=1)] = 100,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    mean: Annotated[str | None, typer.Option(help="For .pt2 and .onnx: of the training, one or one a channel.")] = None,
    std: Annotated[str | None, typer.Option(help="For .pt2 and .onnx: of the training, one or one a channel.")] = None,
    cluster: Any = None,
    saved: Any = None,
) -> None:
    """Measure robust accuracy under a suite of attacks: of the float network, and after deployment."""
    from spikeport.toolchain.verbs import attack as verb
    from spikeport.toolchain.verbs.attack_settings import AttackSettings

    settings = AttackSettings(
        suite=suite,
        queries=queries,
        seed=seed,
        images=images,
        every_member=every_member,
        batch_size=batch,
        cluster=cluster,
        device=device,
        mean=numbers(mean),
        std=numbers(std),
        resume=resume,
    )
    done = verb.attack(network, input, epsilons=numbers(eps) or (), float_model=float_, settings=settings, out=out)
    say(f"{done.text()}\n\nwrote {out}/attack.json{saved.save(done)}")

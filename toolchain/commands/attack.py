"""The command ``spikeport attack``: robust accuracy of a network, and of its integers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from spikeport.toolchain.commands.exits import again, interruptible
from spikeport.toolchain.commands.options import GOING_ON, Device, Json, cluster_of, grouped, numbers
from spikeport.toolchain.commands.results import tell
from spikeport.toolchain.commands.saving import saving_tables


@grouped(cluster=cluster_of, saved=saving_tables)
def attack(
    network: Annotated[Path, typer.Argument(help="Checkpoint or archive (.safetensors), .pt2 or .onnx.")],
    input: Annotated[Path | None, typer.Option("--input", help="Images with labels, as for simulate.")] = None,
    eps: Annotated[str, typer.Option(help="Epsilons in levels of 1/255, comma-separated.")] = "2,4,8",
    suite: Annotated[str, typer.Option(help="paper, quick, rsc, black_box, or a .toml file.")] = "paper",
    float_: Annotated[
        Path | None, typer.Option("--float", help="Of an archive: the checkpoint, .pt2 or .onnx that it was made of.")
    ] = None,
    queries: Annotated[int | None, typer.Option(help="Of black-box attacks, in place of the suite's.", min=1)] = None,
    images: Annotated[int | None, typer.Option(help="So many of the first; all without.", min=1)] = None,
    out: Annotated[
        Path,
        typer.Option(help="Folder for attack.json, worst images, finished parts; an earlier result is written over."),
    ] = Path("attack"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Only if --out holds an interrupted attack.", rich_help_panel=GOING_ON)
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.", min=0)] = 0,
    every_member: Annotated[
        bool, typer.Option("--every-member", help="Each gradient on every image, broken or not.")
    ] = False,
    batch: Annotated[int, typer.Option(help="Images of a step; a part has up to four times as many.", min=1)] = 100,
    device: Device = "auto",
    mean: Annotated[str | None, typer.Option(help="For .pt2 and .onnx: of the training, one or one a channel.")] = None,
    std: Annotated[str | None, typer.Option(help="For .pt2 and .onnx: of the training, one or one a channel.")] = None,
    json: Json = None,
    cluster: Any = None,
    saved: Any = None,
) -> None:
    """Measure robust accuracy under a suite of attacks: of the float network, and after deployment.

    Example: spikeport attack model.safetensors --input images.npz --eps 2,4,8 --suite quick
    """
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
    if input is None:
        from spikeport.toolchain.commands.wanted import pixels_for
        from spikeport.toolchain.verbs.sources import need_torch

        need_torch("attacking")
        raise pixels_for(network)
    with interruptible(lambda: f"finished parts stay in {out}; go on with the same command: {again()}"):
        done = verb.attack(network, input, epsilons=numbers(eps) or (), float_model=float_, settings=settings, out=out)
    worst = ", ".join(verb.worst_of(each.epsilon) for each in done.epsilons)
    tell(done, json, wrote=f"{out}/attack.json and, with the worst image of each image, {worst}", saved=saved)

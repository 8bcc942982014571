"""Which float network an archive was made of, where the run that made it still lies around it."""

from dataclasses import dataclass
from pathlib import Path

from spikeport.export.errors import ArchiveError, NetworkError
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.records import Record, digest_of_file


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The checkpoint of a run by its SHA-256, and where it lies, if it is still there unchanged."""

    digest: str
    path: Path | None


def origin_of(archive: Path) -> Origin | None:
    """Return what an archive in the folder of a run was made of, from the records of its stages; None elsewhere."""
    digest, folder = digest_of_file(archive), archive.resolve().parent
    record = _record(folder)
    if record is None or digest not in {output.digest for output in record.outputs.values()}:
        return None
    every = _records(folder.parent)
    for _ in every:
        if "model" in record.inputs:
            return Origin(digest=record.inputs["model"], path=_place(every, record.inputs["model"]))
        wanted = record.inputs.get("float_network")
        makers = [made for made in every.values() if _made(made, "float_network") == wanted]
        if wanted is None or not makers:
            return None
        record = makers[0]
    return None


def check_origin(archive: Path, model: Path) -> None:
    """Raise `NetworkError` where records say that ``archive`` was made of another network than ``model``."""
    origin, digest = origin_of(archive), digest_of_file(model)
    if origin is not None and digest != origin.digest:
        advice = f"give --float {origin.path}" if origin.path else "give the checkpoint with that digest"
        raise NetworkError(
            f"{archive}: its run made it of a checkpoint with SHA-256 {origin.digest[:12]}, and {model} has "
            f"{(digest or 'none')[:12]}; {advice}, since images of another network are no white-box attack"
        )


def _place(every: dict[Path, Record], digest: str) -> Path | None:
    """Return the file with this digest that a stage made."""
    for folder, record in every.items():
        output = record.outputs.get("model")
        if output is not None and output.digest == digest and digest_of_file(folder / output.file) == digest:
            return folder / output.file
    return None


def _made(record: Record, kind: str) -> str | None:
    output = record.outputs.get(kind)
    return None if output is None else output.digest


def _records(run: Path) -> dict[Path, Record]:
    """Return the finished records of a run's stages by their folders."""
    found = {path.parent: _record(path.parent) for path in sorted(run.glob(f"*/{records.NAME}"))}
    return {folder: record for folder, record in found.items() if record is not None}


def _record(folder: Path) -> Record | None:
    """Return a folder's finished record; a damaged one says nothing."""
    try:
        record = records.read(folder)
    except ArchiveError:
        return None
    return record if record is not None and record.done else None

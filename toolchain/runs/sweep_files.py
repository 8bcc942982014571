"""The files of a sweep beside the folders of its combinations."""

from spikeport.export.files import write_text
from spikeport.toolchain.runs.sweep_picture import picture
from spikeport.toolchain.runs.sweep_table import PICTURE, TABLES, Swept, averaged, csv_text, latex, markdown


def write_files(swept: Swept) -> None:
    """Write sweep.csv, sweep.md and sweep.tex, and sweep.svg where robust shares and costs were measured."""
    header, rows = averaged(swept)
    texts = (csv_text(swept), markdown(header, rows), latex(header, rows))
    for name, text in zip(TABLES, texts, strict=True):
        write_text(swept.folder / name, text)
    drawn = picture(swept)
    if drawn is None:
        (swept.folder / PICTURE).unlink(missing_ok=True)
    else:
        write_text(swept.folder / PICTURE, drawn)

"""The files of a sweep beside the folders of its combinations."""

from spikeport.export.files import write_text
from spikeport.hardware_profiles.output.latex import latex
from spikeport.hardware_profiles.output.markdown import markdown
from spikeport.toolchain.runs.sweep_table import PICTURE, TABLES, Swept, averaged, csv_text


def write_files(swept: Swept) -> None:
    """Write sweep.csv, sweep.md and sweep.tex, and sweep.svg where shares and costs were measured."""
    table = averaged(swept)
    texts = (csv_text(swept), markdown(table), latex(table))
    for name, text in zip(TABLES, texts, strict=True):
        write_text(swept.folder / name, text)
    drawn = swept.picture()
    if drawn is None:
        (swept.folder / PICTURE).unlink(missing_ok=True)
    else:
        write_text(swept.folder / PICTURE, drawn)

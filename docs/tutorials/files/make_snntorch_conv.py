"""Write snntorch_conv.zip: the NIR file and the recording that the tutorial makes where snnTorch is installed.

    python docs/tutorials/files/make_snntorch_conv.py

Needs snnTorch 1.0 and nir beside spikeport[train]; half a minute on one core.
"""

import os
import runpy
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the tutorial, and keep what it trained and recorded."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        made = runpy.run_path(str(HERE.parent / "snntorch_to_loihi.py"))
        if not made["have_snntorch"]:
            raise SystemExit("snnTorch is not installed; the tutorial took the file that was to be made")
        with zipfile.ZipFile(HERE / "snntorch_conv.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as kept:
            for name in ("conv.nir", "x.npz", "y.npz"):
                kept.write(name)
        os.chdir(HERE)


if __name__ == "__main__":
    main()

"""The project's own rules: import direction, module lines, what Lava's Python must be able to load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("toolchain", "export", "hardware_profiles")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_imports_go_one_way_and_only_toolchain_loads_torch():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_in_one_line_what_it_is_for(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "**"))


TESTS = sorted(
    path.relative_to(ROOT / "tests") for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py")
)


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_tests_stand_where_their_modules_stand(path):
    """A folder of tests mirrors one of ours; a file with a module's name stands where the module does."""
    assert (ROOT / path.parent).is_dir()
    name = path.name.removeprefix("test_")
    places = set() if name == f"{path.parent.name}.py" else {module.parent for module in FILES if module.name == name}
    assert not places or ROOT / path.parent in places, f"{name} stands in {', '.join(map(str, places))}"


def test_export_loads_without_torch():
    modules = "export.executors.reference", "export.formats.nir", "hardware_profiles.report.build"
    probe = "import sys, " + ", ".join(f"spikeport.{module}" for module in modules)
    done = subprocess.run(
        [sys.executable, "-c", f"{probe}; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == "False\n"

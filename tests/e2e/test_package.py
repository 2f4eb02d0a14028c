"""The wheel holds all that a run needs, and runs with nothing else of the checkout, cold."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = {".html", ".j2", ".css", ".js", ".json", ".typed", ".gz", ".csv"}

MEASURED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "eddyline", "demo"]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
"""
"""Runs the demo and prints the CPU seconds and the peak kB of it alone."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    """Templates, tables, the schema, the type marker and the examples travel with the code."""
    package = ROOT / "src" / "eddyline"
    wanted = {
        f"eddyline/{file.relative_to(package)}"
        for file in package.rglob("*")
        if file.suffix in {".py", *DATA} and "__pycache__" not in file.parts
    }
    examples = [file for file in (ROOT / "examples").rglob("*") if file.is_file()]
    wanted |= {f"eddyline/examples/{file.relative_to(ROOT / 'examples')}" for file in examples}

    held = set(zipfile.ZipFile(wheel).namelist())

    assert not wanted - held
    assert not [name for name in held if name.endswith((".nbc", ".nbi", ".pyc"))]


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_with_cold_caches(wheel: Path, tmp_path: Path) -> None:
    """Without the checkout and with nothing compiled, the demo takes at most 60 s of CPU and 1 GB."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    env = {**os.environ, "PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    where = subprocess.run(
        [sys.executable, "-c", "import eddyline; print(eddyline.__file__)"],
        env=env, cwd=elsewhere, capture_output=True, text=True, check=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        env=env, cwd=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert where.stdout.startswith(str(site))
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "eddyline-demo" / "report.html").is_file()
    cpu_s, peak_kb = (float(text) for text in done.stdout.split()[-2:])
    assert cpu_s < 60
    assert peak_kb < 1_000_000

"""What no linter knows: sizes, names, the public surface, start-up, and a reference that is complete."""

import ast
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
import typer

import eddyline
from eddyline.classifiers.registry import CLASSIFIERS
from eddyline.cli.main import app
from eddyline.detectors.registry import CLASSICAL, DENSITY, MATRIX, SEQUENCE, STREAM
from eddyline.features.registry import VIEWS
from eddyline.flows.record import CORE, STATISTICS
from eddyline.incidents.incident import ATTACKS
from eddyline.read.registry import BUILT_IN

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src").rglob("*.py"))
REFERENCE = ROOT / "docs" / "reference"

MAX_LINES = 400
MAX_BODY = 50
LONG_MODULES: dict[str, str] = {}
"""Modules that may be longer than ``MAX_LINES``, each with its reason."""

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}
HEAVY = ("torch", "pandas", "fastapi", "starlette", "sklearn", "polars", "numba", "numpy")


def shown(path: Path) -> str:
    """Give a path as it stands in the allow-list."""
    return str(path.relative_to(ROOT))


def test_a_module_holds_one_idea() -> None:
    """No module is longer than 400 lines, unless the allow-list says why; a split module leaves it."""
    lengths = {shown(m): len(m.read_text(encoding="utf-8").splitlines()) for m in MODULES}
    long = {name: length for name, length in lengths.items() if length > MAX_LINES}

    assert set(long) == set(LONG_MODULES), f"split {long}"
    assert all(LONG_MODULES.values())


def test_a_module_is_named_for_what_it_holds() -> None:
    """A name such as utils says nothing, so everything ends up there."""
    vague = [m for m in MODULES if VAGUE & {m.stem, *m.relative_to(ROOT).parts}]

    assert not vague


def test_functions_fit_on_a_screen() -> None:
    """A function has at most 50 lines below its docstring."""
    lengths = {
        f"{shown(module)}:{function.name}": body_lines(function)
        for module in MODULES
        for function in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
    }

    assert not {name: lines for name, lines in lengths.items() if lines > MAX_BODY}


def test_nobody_inside_imports_the_package_root() -> None:
    """The root is for users; a room imports the module that it means."""
    imports = [
        (shown(module), node.module)
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]

    assert not [module for module, imported in imports if imported == "eddyline"]


def body_lines(function: ast.FunctionDef) -> int:
    """Count the lines of a function below its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_all_names_are_importable_and_nothing_else_is_offered() -> None:
    """``__all__`` is what a user may import, neither more nor less."""
    named = {name: getattr(eddyline, name) for name in eddyline.__all__}

    assert all(value is not None for value in named.values())
    assert list(eddyline.__all__) == sorted(eddyline.__all__)
    assert set(eddyline.__all__) <= set(dir(eddyline))
    with pytest.raises(AttributeError, match="no attribute 'sacn'"):
        eddyline.sacn  # noqa: B018


def test_scan_is_the_function_however_its_module_was_imported() -> None:
    """The module ``eddyline.scan`` never takes the place of the function of that name."""
    code = "import eddyline.scan, eddyline; eddyline.learn; assert not hasattr(eddyline.scan, 'learn')"

    assert run_python(code) == ""


@pytest.mark.parametrize("name", ["eddyline", "eddyline.cli.main"])
def test_importing_loads_nothing_heavy(name: str) -> None:
    """Start-up loads no numerical library, no web stack and no torch."""
    code = f"import sys, {name}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"

    assert run_python(code).strip() == ""


def test_help_is_instant() -> None:
    """``eddyline --help`` costs less than 0.3 s of CPU, median of five runs."""
    spent = [cpu_seconds([sys.executable, "-m", "eddyline", "--help"]) for _ in range(5)]

    assert median(spent) < 0.3


def run_python(code: str) -> str:
    """Run a line in a new interpreter and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cpu_seconds(command: list[str]) -> float:
    """Give the user and system time of a child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def words_of(page: str) -> set[str]:
    """Give what stands in backticks on a reference page."""
    return set(re.findall(r"`([^`]+)`", (REFERENCE / page).read_text(encoding="utf-8")))


def test_every_command_and_option_is_in_the_reference() -> None:
    """A user finds each command and each option on the page of the commands."""
    top = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    inner = {
        f"{name} {sub}": found
        for name, command in top.items()
        for sub, found in getattr(command, "commands", {}).items()
    }
    commands = top | inner
    options = {o for c in commands.values() for p in c.params for o in p.opts if o[0] == "-"}

    assert set(commands) | options <= words_of("cli.md")


def test_every_column_is_in_the_reference() -> None:
    """A user finds each column of the record on its page."""
    assert {column.name for column in CORE + STATISTICS} <= words_of("record.md")


def test_every_view_and_feature_is_in_the_reference() -> None:
    """A user finds each view and each feature on their page."""
    names = {feature.name for view in VIEWS.values() for feature in view.features}

    assert names | set(VIEWS) <= words_of("features.md")


def test_every_detector_and_attack_is_in_the_reference() -> None:
    """A user finds each detector, classifier and name of an incident on their pages."""
    assert set(CLASSIFIERS) <= words_of("classifiers.md")
    assert {*MATRIX, *CLASSICAL, *DENSITY, *SEQUENCE, *STREAM} <= words_of("detectors.md")
    assert set(ATTACKS) <= words_of("attacks.md")


def test_every_reader_is_in_the_reference() -> None:
    """A user finds each format on its page."""
    text = (REFERENCE / "formats.md").read_text(encoding="utf-8").lower()

    assert all(entry.name in text for entry in BUILT_IN)

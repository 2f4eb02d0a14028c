"""Scan results for the tests of this room."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def results() -> ModuleType:
    """Give the builders of ``results.py``."""
    spec = importlib.util.spec_from_file_location(
        "results", Path(__file__).with_name("results.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

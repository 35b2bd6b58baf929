"""The examples in the scoring package's docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import telemetry.scoring

MODULES = [module.name for module in pkgutil.iter_modules(telemetry.scoring.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    module = importlib.import_module(f"telemetry.scoring.{name}")

    assert doctest.testmod(module).failed == 0

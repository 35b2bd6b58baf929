"""No spreadsheet takes a cell of a CSV file for a formula."""

import doctest

import pytest

from telemetry import csv_cells
from telemetry.csv_cells import safe_cell


def test_examples_in_docstrings_hold() -> None:
    assert doctest.testmod(csv_cells).failed == 0


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "\uff1d1"]
)
def test_what_begins_like_a_formula_is_quoted(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["amber", "", "a=1", -1, -0.5, None])
def test_all_else_stays(value: object) -> None:
    assert safe_cell(value) == value

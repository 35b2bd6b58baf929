import re
from dataclasses import fields

import pytest
from django.core.exceptions import ImproperlyConfigured

from routing.limits import Limits
from tests.conftest import REPOSITORY


def test_every_limit_is_documented_with_its_default() -> None:
    page = (REPOSITORY / "docs" / "settings.md").read_text()
    table = page.partition("## Limits and time-outs\n")[2]
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([\d.]+) \|", table, re.M))

    documented = {name: float(value) for name, value in rows.items()}

    assert documented == {field.name.upper(): float(str(field.default)) for field in fields(Limits)}


def test_each_limit_is_read_from_its_variable() -> None:
    limits = Limits.from_env({"TTFT_S": "1.5", "ATTEMPTS": "2", "IDLE_S": " "})

    assert (limits.ttft_s, limits.attempts, limits.idle_s) == (1.5, 2, Limits().idle_s)


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "nan"])
def test_a_bad_value_is_refused_by_name(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"ATTEMPTS='.*': give a whole number"):
        Limits.from_env({"ATTEMPTS": text})

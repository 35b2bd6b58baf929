"""A line of the log has no link that would let its reader in."""

import logging
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from routing.log_lines import LineFormatter

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["report", "report-csv", "feedback-status"])
def test_an_address_that_is_a_key_is_not_written(
    client: Client, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    answer = client.get(reverse(name, args=["s3cret.s1gned"]))

    assert answer.status_code == 404
    lines = [LineFormatter().format(record) for record in caplog.records]
    assert any("Not Found: /exacto/" in line for line in lines)
    assert not any("s3cret" in line or "s1gned" in line for line in lines)


def test_the_server_writes_its_log_so() -> None:
    told: dict[str, Any] = settings.LOGGING

    assert told["formatters"]["line"]["()"] == "routing.log_lines.LineFormatter"
    assert [handler["formatter"] for handler in told["handlers"].values()] == ["line"]


def test_other_addresses_stay_as_they_are() -> None:
    told = "Not Found: /exacto/feedback/ and /exacto/acme/falcon-1"
    record = logging.LogRecord("x", logging.WARNING, "", 0, told, None, None)

    assert LineFormatter().format(record) == told

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routing.limits import Limits
from tests.routing.live_catalog import credentials


@pytest.fixture
def limits(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Limits:
    """Return limits for providers on this machine; Gateway and judge are real, time-outs short."""
    settings.UPSTREAM_ALLOW_CIDRS = "127.0.0.0/8"
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.ASSAY_HOME = tmp_path
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    settings.LIMITS = replace(
        settings.LIMITS, connect_s=0.5, ttft_s=2.0, idle_s=2.0, verify_answer_s=4.0
    )
    limits: Limits = settings.LIMITS
    return limits

from pathlib import Path

import pytest

from providers.models import Endpoint
from tests.catalog_rows import make_endpoint


@pytest.fixture
def endpoint(db: None) -> Endpoint:
    return make_endpoint()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"

"""What every test may ask for: the team's real data, and the databases in use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real recorded data; skip without it, but never in CI."""
    shared = Path(os.environ.get("ASSAY_SHARED", REPOSITORY.parent / "shared"))
    data = shared / "data"
    if not data.is_dir():
        message = f"NOT TESTED on real recorded data: {data} is not there (set ASSAY_SHARED)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return data

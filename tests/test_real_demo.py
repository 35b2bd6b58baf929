"""The demo as a curator meets it: traffic flows, standings appear, and a draft leaves out the bad.

All of `make run` works together here: simulated callers and providers, the gateway, the spool,
the worker and its schedule. Only the pace is quicker than a newcomer's.
"""

import json
from pathlib import Path

import pytest

from tests.live import eventually
from tests.test_real_run import Up

MODEL = "deepseek/deepseek-v3.1-terminus"
EARNED = ["cobalt/fp8", "larkspur/fp8", "meridian/bf16"]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="NOT TESTED: `make run` without /proc"
)

DRAFTED = """
SELECT e.tag FROM routing_allowlistentry entry
JOIN routing_allowlist list ON list.id = entry.allowlist_id
JOIN providers_endpoint e ON e.id = entry.endpoint_id
JOIN providers_model m ON m.id = list.model_id
WHERE m.slug = ? AND list.status = 'draft' AND list.proposed_by_method <> '' ORDER BY e.tag
"""
SCORES = """
SELECT s.criteria FROM telemetry_endpointscore s
JOIN providers_endpoint e ON e.id = s.endpoint_id
JOIN providers_model m ON m.id = e.model_id WHERE m.slug = ?
"""


@pytest.mark.timeout(600)
def test_a_draft_leaves_out_exactly_the_simulated_bad_ones(tmp_path: Path) -> None:
    with Up(tmp_path, DEMO_TRAFFIC=10, SCORE_EVERY_S=5) as up:
        up.wait_up()

        eventually(lambda: [tag for (tag,) in up.rows(DRAFTED, MODEL)] == EARNED, within_s=180)

        scores = [json.loads(criteria)["accuracy"] for (criteria,) in up.rows(SCORES, MODEL)]
        assert len(scores) == 6
        for accuracy in scores:
            assert accuracy["low"] < accuracy["estimate"] < accuracy["high"]
            assert accuracy["requests"] > 0
        assert up.stop() == 0

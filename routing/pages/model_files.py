"""/exacto/{author}/{slug}.json and .csv: what the model's page shows, for programs.

Owns the columns of the CSV. The rule others rely on: figures that are withheld are null in JSON
and empty in CSV.
"""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from routing.api.cacheable import cacheable, cacheable_bytes
from routing.pages.answer import switched_on
from routing.pages.model import no_such_model
from routing.pages.published import published, published_model
from routing.pages.scoreboard import FRESH_S
from routing.plots import CRITERIA
from telemetry.csv_cells import safe_cell

_PLACE = (
    "tag", "provider_name", "listed", "serves", "decision", "standing", "eligible",
)  # fmt: skip
_CRITERION = (
    "verdict", "estimate", "low", "high", "probability", "requests", "owners", "withheld",
    "sentence", "benchmark_requests",
)  # fmt: skip


@require_safe
def model_json(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Answer with a model's endpoints, thresholds and editions."""
    switched_on("PUBLIC_SCOREBOARD")
    model = published_model(author, slug)
    if model is None:
        return no_such_model(request, author, slug)
    return cacheable(request, {"data": published(model)}, fresh_s=FRESH_S)


@require_safe
def model_csv(request: HttpRequest, author: str, slug: str) -> HttpResponse:
    """Answer with one line per endpoint and criterion; an unmeasured endpoint has one line."""
    switched_on("PUBLIC_SCOREBOARD")
    model = published_model(author, slug)
    if model is None:
        return no_such_model(request, author, slug)
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(("model", "edition", *_PLACE, "criterion", *_CRITERION))
    lines.writerows(_lines(published(model)))
    body = text.getvalue().encode()
    return cacheable_bytes(request, body, content_type="text/csv; charset=utf-8", fresh_s=FRESH_S)


def _lines(told: Mapping[str, Any]) -> Iterator[list[Any]]:
    unmeasured: dict[str, dict[str, Any]] = {"": {}}
    for row in told["endpoints"]:
        place = [told["id"], told["edition"], *(row[key] for key in _PLACE)]
        # Named, for a database may give keys back in an order of its own.
        known = {name: row["criteria"][name] for name in CRITERIA if name in row["criteria"]}
        for name, one in (known or unmeasured).items():
            cells = [*place, name, *(one.get(key) for key in _CRITERION)]
            yield [safe_cell(cell) for cell in cells]

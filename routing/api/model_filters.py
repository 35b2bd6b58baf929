"""The filters of GET /models.

Owns what each filter lets pass. It sorts and shapes nothing. The rules others rely on: who lacks
the figure does not pass; a filter on something that Assay knows of no model (a region, a third
party's index) lets none pass; `category` and parameters that do not exist are ignored.
Source: OpenRouter's public schema (2026-08), and its descriptions in the SDKs (2026-11).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from providers.models import Provider
from routing.api.few_owners import tellable
from routing.api.query_values import Query, flag, number, whole_number, words
from routing.api.reachable import Listing, zero_data_retention
from telemetry.models import EndpointScore

Test = Callable[[Listing], bool]

_INDICES = ("intelligence_index", "coding_index", "agentic_index")


def filter_listings(listings: Sequence[Listing], query: Query, at: datetime) -> list[Listing]:
    """Return the listings that pass every filter. Raises ApiError 400."""
    tests = _tests(query, at)
    kept = [listing for listing in listings if all(test(listing) for test in tests)]
    # Last, as it needs a query of its own.
    return _by_tool_success(kept, query)


def _tests(query: Query, at: datetime) -> list[Test]:
    return [
        *_tests_of_words(query),
        *_tests_of_kind(query),
        *_tests_of_numbers(query, at.date()),
        *_tests_of_the_unknown(query),
    ]


def _tests_of_words(query: Query) -> list[Test]:
    tests: list[Test] = []
    if text := query.get("q", "").strip().lower():
        tests.append(lambda one: text in one.id or text in one.name.lower())
    if authors := words(query, "model_authors"):
        tests.append(lambda one: one.model.slug.split("/")[0] in authors)
    if families := words(query, "arch"):
        tests.append(lambda one: one.model.tokenizer.lower() in families)
    if hosts := words(query, "providers"):
        tests.append(lambda one: any(_named(e.provider, hosts) for e in one.endpoints))
    return tests


def _named(provider: Provider, hosts: frozenset[str]) -> bool:
    return not hosts.isdisjoint({provider.slug, provider.name.lower()})


def _tests_of_kind(query: Query) -> list[Test]:
    tests: list[Test] = []
    outputs = words(query, "output_modalities") or frozenset({"text"})
    if "all" not in outputs:
        tests.append(lambda one: not outputs.isdisjoint(one.model.output_modalities or ["text"]))
    if inputs := words(query, "input_modalities"):
        tests.append(lambda one: inputs <= set(one.model.input_modalities or ["text"]))
    if parameters := words(query, "supported_parameters"):
        tests.append(lambda one: parameters <= set(one.supported_parameters))
    if flag(query, "zdr"):
        tests.append(lambda one: any(zero_data_retention(e) for e in one.endpoints))
    return tests


def _tests_of_numbers(query: Query, today: date) -> list[Test]:
    tests: list[Test] = []
    if (least := whole_number(query, "context")) is not None:
        tests.append(lambda one: one.context_length >= least)
    for name, measure in (
        ("price", lambda one: float(one.endpoints[0].price_prompt) * 1e6),
        ("output_price", lambda one: float(one.endpoints[0].price_completion) * 1e6),
        ("age_days", lambda one: _age(one, today)),
    ):
        tests += _between(query, name, measure)
    return tests


def _between(query: Query, name: str, measure: Callable[[Listing], float | None]) -> list[Test]:
    """Return the test for min_… and max_…; who has no such figure passes neither."""
    low, high = number(query, f"min_{name}"), number(query, f"max_{name}")
    if low is None and high is None:
        return []

    def test(one: Listing) -> bool:
        value = measure(one)
        if value is None:
            return False
        # Prices are told per million tokens: 0.6 is not what a float makes of 6e-7 * 1e6.
        return (low is None or value >= low - 1e-9) and (high is None or value <= high + 1e-9)

    return [test]


def _age(one: Listing, today: date) -> float | None:
    released = one.model.released_at
    return None if released is None else (today - released).days


def _tests_of_the_unknown(query: Query) -> list[Test]:
    tests: list[Test] = []
    for index in _INDICES:
        tests += _between(query, index, lambda one: None)
    if words(query, "region") or flag(query, "distillable"):
        tests.append(lambda one: False)
    return tests


def _by_tool_success(listings: list[Listing], query: Query) -> list[Listing]:
    rates: dict[str, float] = {}
    tests = _between(query, "tool_success_rate", lambda one: rates.get(one.id))
    if not tests:
        return listings
    ids = [endpoint.pk for one in listings for endpoint in one.endpoints]
    scores = EndpointScore.objects.filter(endpoint__in=ids).values_list("endpoint_id", "criteria")
    measured = dict(scores)
    for one in listings:
        rate = _tool_success([measured.get(e.pk, {}) for e in one.endpoints])
        if rate is not None:
            rates[one.id] = rate
    return [one for one in listings if all(test(one) for test in tests)]


def _tool_success(criteria: Sequence[Mapping[str, Mapping[str, float | None]]]) -> float | None:
    """Return the share of a listing's requests without a bad call, each endpoint by its sample."""
    accuracies = [tellable(one, "accuracy") for one in criteria]
    known = [
        (rate, requests)
        for one in accuracies
        if (rate := one.get("estimate")) is not None and (requests := one.get("requests"))
    ]
    total = sum(requests for _, requests in known)
    return 1 - sum(rate * requests for rate, requests in known) / total if total else None

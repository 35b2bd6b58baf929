"""The plan of a request: never outside the allowlist, whatever is published, fails or is asked."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from routing.errors import ApiError
from routing.gateway.admission import Edition, ModelSpec
from routing.gateway.health import HealthBook
from routing.gateway.plan import AutoExacto, NothingToTry, Plan, make_plan
from routing.gateway.preferences import NO_ACCOUNT_WISHES, AccountWishes
from tests.routing.gateway.specs import (
    LIMITS,
    make_endpoint,
    make_model,
    make_request,
    make_snapshot,
)

FALCON, OWL = "acme/falcon-1", "acme/owl-2"


def _plan(*models: ModelSpec, health: HealthBook | None = None, **fields: Any) -> Plan:
    health = health or HealthBook(LIMITS)
    return make_plan(make_snapshot(*models), make_request(**fields), health, 1, 0)


def _outcome(*arguments: Any) -> Plan | ApiError:
    try:
        return make_plan(*arguments)
    except ApiError as refused:
        return refused


def _ids(plan: Plan) -> list[int]:
    return [candidate.endpoint.id for candidate in plan.candidates]


def test_applies_the_allowlist_before_everything_else() -> None:
    model = make_model(make_endpoint(1, price=9), make_endpoint(2, price=1), pool={1})

    plan = _plan(model, provider={"sort": "price", "order": ["p2"]})

    assert _ids(plan) == [1]
    assert [(e.id, reason) for e, reason in plan.excluded] == [(2, "exacto_pool")]


def test_enforces_each_models_own_list() -> None:
    falcon = make_model(make_endpoint(1), make_endpoint(2), pool={1})
    owl = make_model(make_endpoint(3), make_endpoint(4), slug=OWL, pool={4})

    plan = _plan(falcon, owl, models=[f"{OWL}:exacto"])

    assert _ids(plan) == [1, 4]
    assert [c.admission.ref.requested for c in plan.candidates] == [
        f"{FALCON}:exacto",
        f"{OWL}:exacto",
    ]


def test_sorts_over_all_models_when_asked() -> None:
    falcon = make_model(make_endpoint(1, price=1), make_endpoint(2, price=9), pool={1, 2})
    owl = make_model(make_endpoint(3, price=5), slug=OWL, pool={3})
    sort = {"by": "price", "partition": "none"}

    plan = _plan(falcon, owl, models=[f"{OWL}:exacto"], provider={"sort": sort})

    assert _ids(plan) == [1, 3, 2]


def test_plans_the_same_again_for_the_same_seed() -> None:
    model = make_model(*(make_endpoint(n, price=n) for n in range(1, 6)), pool={1, 2, 3, 4, 5})

    assert _ids(_plan(model)) == _ids(_plan(model))


@pytest.mark.parametrize(
    ("pool", "fields", "status", "code", "excluded_by"),
    [
        (None, {}, 404, "no_endpoints", ["allowed_providers", "exacto_pool"]),
        ({9}, {}, 404, "no_endpoints", ["allowed_providers", "exacto_pool"]),
        ({1}, {"provider": {"only": ["p2"]}}, 404, "no_endpoints",
         ["allowed_providers", "exacto_pool"]),
        ({1}, {"provider": {"zdr": True}}, 404, "privacy_restricted",
         ["data_policy:zdr", "exacto_pool"]),
        ({1}, {"max_tokens": 200_000}, 404, "constraint_filtered",
         ["context_length", "exacto_pool"]),
        ({1}, {"model": "acme/falcon"}, 400, "model_not_found", None),
    ],
)  # fmt: skip
def test_refuses_with_the_reasons(
    pool: set[int] | None,
    fields: dict[str, Any],
    status: int,
    code: str,
    excluded_by: list[str] | None,
) -> None:
    model = make_model(make_endpoint(1), make_endpoint(2), pool=pool)

    with pytest.raises(ApiError) as refused:
        _plan(model, **fields)

    told = refused.value.availability
    assert told is not None
    assert refused.value.status == status
    assert (told["code"], told["retryable"], told.get("excluded_by")) == (code, False, excluded_by)


def test_tells_of_each_endpoint_why_when_none_may_serve() -> None:
    model = make_model(make_endpoint(1), make_endpoint(2), pool={1})

    with pytest.raises(NothingToTry) as refused:
        _plan(model, provider={"ignore": ["p1"]})

    reasons = [(endpoint.id, reason) for endpoint, reason in refused.value.plan.excluded]
    assert reasons == [(2, "exacto_pool"), (1, "ignored_providers")]


def test_sorts_over_all_models_by_what_else_was_asked() -> None:
    one = make_model(make_endpoint(1, price=1), make_endpoint(2, price=9))
    other = make_model(make_endpoint(3, model_slug="acme/owl-1", price=5), slug="acme/owl-1")
    sort = {"by": "price", "partition": "none"}
    fields: dict[str, Any] = {"model": FALCON, "models": ["acme/owl-1"]}

    named = _plan(one, other, **fields, provider={"sort": sort, "order": ["p2"]})
    health = HealthBook(LIMITS)
    for _ in range(LIMITS.eject_failures):
        health.failed(1, 0.0)
    ejected = _plan(one, other, health=health, **fields, provider={"sort": sort})

    assert _ids(named)[0] == 2
    assert _ids(ejected) == [3, 2]


def test_suggests_the_model_that_was_meant() -> None:
    with pytest.raises(ApiError, match=f"Did you mean {FALCON}") as refused:
        _plan(make_model(make_endpoint(1)), model="acme/falcom-1")

    assert refused.value.status == 400


def test_answers_429_when_everyone_who_may_serve_cools_down() -> None:
    health = HealthBook(LIMITS)
    health.cooling(1, 0, 7)

    with pytest.raises(ApiError) as refused:
        _plan(make_model(make_endpoint(1), make_endpoint(2), pool={1}), health=health)

    assert refused.value.status == 429
    assert refused.value.headers == {"Retry-After": "7"}


def test_takes_the_quarantined_out_of_the_pool_and_says_so() -> None:
    falcon = make_model(make_endpoint(1), make_endpoint(2), make_endpoint(3), pool={1, 2})
    falcon = replace(falcon, quarantined={"exacto": frozenset({2, 3})})

    plan = _plan(falcon)

    assert _ids(plan) == [1]
    assert [(e.id, why) for e, why in plan.excluded] == [(3, "exacto_pool"), (2, "quarantined")]


def test_never_widens_a_pool_that_is_all_quarantined() -> None:
    falcon = make_model(make_endpoint(1), make_endpoint(2), pool={1})
    falcon = replace(falcon, quarantined={"exacto": frozenset({1})})

    with pytest.raises(NothingToTry, match="all of its allowlist is quarantined") as refused:
        _plan(falcon)

    assert refused.value.status == 404
    told = refused.value.availability
    assert told is not None
    assert told["excluded_by"] == ["allowed_providers", "exacto_pool", "quarantined"]
    assert (told["code"], told["retryable"]) == ("no_endpoints", False)


def test_leaves_plain_slugs_their_quarantined_endpoints() -> None:
    falcon = make_model(make_endpoint(1), pool={1})
    falcon = replace(falcon, quarantined={"exacto": frozenset({1})})

    assert _ids(_plan(falcon, model=FALCON)) == [1]


# AUTO_EXACTO: endpoint 1 is cheapest by far and below par, 2 is verified.
UNEQUAL = make_model(
    make_endpoint(1, price=1_000, standing="below_par"),
    make_endpoint(2, price=1_000_000, standing="verified"),
    pool={1, 2},
)
WITH_TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}]}


def _auto(mode: AutoExacto, **fields: Any) -> Plan:
    request = make_request(**{"model": FALCON, **WITH_TOOLS, **fields})
    return make_plan(make_snapshot(UNEQUAL), request, HealthBook(LIMITS), 1, 0, auto_exacto=mode)


def test_reorders_tool_calling_requests_by_standing_when_on() -> None:
    off, on = _auto("off"), _auto("on")

    assert (_ids(off), off.auto_exacto) == ([1, 2], "")
    assert (_ids(on), on.auto_exacto) == ([2, 1], "applied")
    assert [c.choice.probability for c in on.candidates] == [1.0, 1.0]


def test_only_tells_in_shadow_what_would_have_moved() -> None:
    moved, same = _auto("shadow"), _auto("shadow", provider={"ignore": ["p1"]})

    assert (_ids(moved), moved.auto_exacto) == ([1, 2], "shadow_moved")
    assert (_ids(same), same.auto_exacto) == ([2], "shadow_same")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"tools": []}, id="no tools"),
        pytest.param({"tool_choice": "none"}, id="no tool may be called"),
        pytest.param({"provider": {"sort": "price"}}, id="sort by price"),
        pytest.param({"provider": {"sort": "throughput"}}, id="sort by throughput"),
        pytest.param({"provider": {"sort": "latency"}}, id="sort by latency"),
        pytest.param({"provider": {"order": ["p1"]}}, id="order"),
        pytest.param({"model": f"{FALCON}:floor"}, id="floor"),
        pytest.param({"model": f"{FALCON}:nitro"}, id="nitro"),
        pytest.param({"model": f"{FALCON}:exacto"}, id="the published pool"),
    ],
)
def test_gives_way_to_every_other_order(fields: dict[str, Any]) -> None:
    off, on = _auto("off", **fields), _auto("on", **fields)

    assert _ids(on) == _ids(off)
    assert on.auto_exacto == ""


# Whatever happens --------------------------------------------------------------------------

IDS = st.integers(1, 6)
NAMES = st.sampled_from([f"p{n}" for n in range(1, 8)])
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "only": st.lists(NAMES, max_size=3),
        "order": st.lists(NAMES, max_size=3),
        "ignore": st.lists(NAMES, max_size=3),
        "sort": st.sampled_from(
            ["price", "throughput", "latency", "exacto", {"by": "price", "partition": "none"}]
        ),
        "allow_fallbacks": st.booleans(),
        "quantizations": st.lists(st.sampled_from(["fp8", "fp4"]), max_size=2),
        "data_collection": st.sampled_from(["allow", "deny"]),
        "zdr": st.booleans(),
    },
)
SUFFIXES = st.sampled_from([":exacto", ":exacto:nitro", ":floor:exacto", ":exacto:floor"])
TOOL = {"type": "function", "function": {"name": "f"}}


class Router(RuleBasedStateMachine):
    """Publishes, switches, failures and requests in any order; the lists are kept apart here."""

    def __init__(self) -> None:
        super().__init__()
        self.health = HealthBook(LIMITS, Random(1))
        self.now = 0.0
        self.enabled = set(range(1, 7))
        # Of each model: its endpoints, and its published list (None: none).
        self.of_model = {FALCON: {1, 2, 3, 4}, OWL: {5, 6}}
        self.lists: dict[str, set[int] | None] = {FALCON: None, OWL: None}
        self.aside: set[int] = set()
        self.version = 0
        self.endpoints = {
            n: make_endpoint(
                n,
                price=n,
                model_slug=FALCON if n < 5 else OWL,
                quantization="fp8" if n % 2 else "fp4",
                zero_data_retention=n % 3 == 0,
                trains_on_data=n % 4 == 0,
                supported_parameters=frozenset({"tools"} if n != 2 else set()),
            )
            for n in range(1, 7)
        }

    @initialize(pool=st.sets(IDS, min_size=1))
    def start_with_a_list(self, pool: set[int]) -> None:
        self.publish(FALCON, pool)

    @rule(model=st.sampled_from([FALCON, OWL]), pool=st.sets(IDS, min_size=1))
    def publish(self, model: str, pool: set[int]) -> None:
        self.lists[model] = pool & self.of_model[model]
        self.version += 1

    @rule(model=st.sampled_from([FALCON, OWL]))
    def retire(self, model: str) -> None:
        self.lists[model] = None

    @rule(endpoint=IDS, aside=st.booleans())
    def quarantine(self, endpoint: int, aside: bool) -> None:
        (self.aside.add if aside else self.aside.discard)(endpoint)

    @rule(endpoint=IDS, on=st.booleans())
    def switch(self, endpoint: int, on: bool) -> None:
        (self.enabled.add if on else self.enabled.discard)(endpoint)

    @rule(endpoint=IDS)
    def eject(self, endpoint: int) -> None:
        for _ in range(5):
            self.health.failed(endpoint, self.now)

    @rule(endpoint=IDS)
    def recover(self, endpoint: int) -> None:
        self.health.succeeded(endpoint, self.now, latency_s=0.1, tokens_per_s=9)

    @rule(endpoint=IDS, seconds=st.integers(0, 60))
    def rate_limit(self, endpoint: int, seconds: int) -> None:
        self.health.cooling(endpoint, self.now, seconds)

    @rule(seconds=st.floats(0.1, 60))
    def tick(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        names=st.lists(st.tuples(st.sampled_from([FALCON, OWL]), SUFFIXES), min_size=1, max_size=3),
        wishes=WISHES,
        tools=st.booleans(),
        seed=st.integers(0, 9),
    )
    def ask(
        self, names: list[tuple[str, str]], wishes: dict[str, Any], tools: bool, seed: int
    ) -> None:
        models = [model + suffix for model, suffix in names]
        fields = {"tools": [TOOL]} if tools else {}
        request = make_request(models[0], models=models, provider=wishes, **fields)
        plan = _outcome(self._snapshot(), request, self.health, seed, self.now)
        if isinstance(plan, ApiError):
            assert plan.status in (404, 429)
            return

        permitted = [self._pool(model) for model, _ in names]
        self._check(plan, set().union(*permitted), wishes, tools)

    def _check(self, plan: Plan, pool: set[int], wishes: dict[str, Any], tools: bool) -> None:
        ids = _ids(plan)
        assert ids
        assert len(ids) == len(set(ids)), "each endpoint once"
        assert set(ids) <= pool, "never outside the published list"
        for candidate in plan.candidates:
            assert candidate.admission.admits(candidate.endpoint)
            assert candidate.endpoint.id in self._pool(candidate.admission.model.slug)
        slugs = {f"p{number}" for number in ids}
        assert not wishes.get("only") or slugs <= set(wishes["only"])
        assert not slugs & set(wishes.get("ignore", ()))
        assert not (tools and 2 in ids), "tools only where they are taken"
        told = {endpoint.id for endpoint, _ in plan.excluded} | set(ids)
        of_models = {
            e.id for a in plan.admissions for e in (*a.endpoints, *a.outside, *a.quarantined)
        }
        assert of_models == told

    def _pool(self, model: str) -> set[int]:
        return (self.lists[model] or set()) & self.enabled - self.aside

    def _snapshot(self) -> Any:
        return make_snapshot(*(self._model(slug, self.lists[slug]) for slug in (FALCON, OWL)))

    def _model(self, slug: str, pool: set[int] | None) -> ModelSpec:
        numbers = sorted(self.of_model[slug] & self.enabled)
        editions = {} if pool is None else {"exacto": Edition(self.version, frozenset(pool))}
        endpoints = tuple(self.endpoints[number] for number in numbers)
        return ModelSpec(
            slug, slug, 100_000, endpoints, editions, {"exacto": frozenset(self.aside)}
        )

    @invariant()
    def no_list_grows_by_itself(self) -> None:
        for slug, pool in self.lists.items():
            assert pool is None or pool <= self.of_model[slug]


TestRouter = Router.TestCase
TestRouter.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def _reachable(pool: set[int], wishes: dict[str, Any], ids: Sequence[int]) -> set[int]:
    """Return what a request could be sent to, first or as a fallback."""
    model = make_model(*(make_endpoint(number, price=number) for number in ids), pool=pool)
    request = make_request(provider={**wishes, "allow_fallbacks": True})
    plan = _outcome(make_snapshot(model), request, HealthBook(LIMITS), 1, 0)
    return set() if isinstance(plan, ApiError) else set(_ids(plan))


STANDINGS = st.sampled_from(["verified", "insufficient_data", "below_par", "quarantined"])
EVENTS = st.sampled_from(["failed", "succeeded", "cooling"])


@given(
    st.lists(st.tuples(IDS, EVENTS, st.floats(0, 60)), max_size=30),
    st.lists(STANDINGS, min_size=6, max_size=6),
    st.sampled_from([FALCON, f"{FALCON}:exacto", f"{FALCON}:nitro"]),
    WISHES,
    st.sampled_from(["off", "shadow", "on"]),
    st.integers(0, 2**63 - 1),
)
def test_replays_any_decision_from_snapshot_health_and_seed(
    events: list[tuple[int, str, float]],
    standings: list[str],
    model: str,
    wishes: dict[str, Any],
    mode: AutoExacto,
    seed: int,
) -> None:
    def decide() -> Plan | ApiError:
        health = HealthBook(LIMITS, Random(1))
        for endpoint, event, at in sorted(events, key=lambda one: one[2]):
            if event == "failed":
                health.failed(endpoint, at)
            elif event == "succeeded":
                health.succeeded(endpoint, at, latency_s=at, tokens_per_s=at)
            else:
                health.cooling(endpoint, at, 10)
        endpoints = [make_endpoint(n, price=n, standing=standings[n - 1]) for n in range(1, 7)]
        snapshot = make_snapshot(make_model(*endpoints, pool={1, 2, 3, 4}))
        request = make_request(model, provider=wishes, **WITH_TOOLS)
        try:
            return make_plan(snapshot, request, health, seed, 60, auto_exacto=mode)
        except NothingToTry as refused:
            return refused.plan

    def told(plan: Plan | ApiError) -> Any:
        assert isinstance(plan, Plan)
        order = [(c.endpoint.id, c.choice.probability) for c in plan.candidates]
        return order, [(e.id, why) for e, why in plan.excluded], plan.auto_exacto, plan.seed

    assert told(decide()) == told(decide())


def _under(account: AccountWishes, wishes: dict[str, Any], aside: frozenset[int]) -> set[int]:
    """Return what a request could be sent to, under these preferences and quarantines."""
    model = make_model(*(make_endpoint(n, price=n) for n in range(1, 7)), pool={1, 2, 3, 4, 5})
    model = replace(model, quarantined={"exacto": aside})
    request = make_request(provider=wishes).of_account(account)
    plan = _outcome(make_snapshot(model), request, HealthBook(LIMITS), 1, 0)
    return set() if isinstance(plan, ApiError) else set(_ids(plan))


@given(
    st.builds(
        AccountWishes,
        only=st.none() | st.frozensets(NAMES, min_size=1, max_size=3),
        ignore=st.frozensets(NAMES, max_size=3),
        order=st.lists(NAMES, max_size=3).map(tuple),
    ),
    WISHES.map(lambda wishes: {**wishes, "allow_fallbacks": True}),
    st.frozensets(IDS),
    st.frozensets(IDS),
)
def test_neither_preferences_nor_quarantines_let_a_request_go_further(
    account: AccountWishes, wishes: dict[str, Any], aside: frozenset[int], more: frozenset[int]
) -> None:
    assert _under(account, wishes, aside) <= _under(NO_ACCOUNT_WISHES, wishes, aside)
    assert _under(account, wishes, aside | more) <= _under(account, wishes, aside)


@given(st.sets(IDS, min_size=1), IDS, WISHES)
def test_a_shorter_list_never_lets_a_request_go_further(
    pool: set[int], removed: int, wishes: dict[str, Any]
) -> None:
    ids = range(1, 7)

    assert _reachable(pool - {removed}, wishes, ids) <= _reachable(pool, wishes, ids)


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": {"sort": "latency"}},
        {"provider": {"sort": "throughput"}},
        {"provider": {"sort": {"by": "latency", "partition": "none"}}},
        {"provider": {"preferred_max_latency": 1, "sort": "price"}},
        {"provider": {"preferred_min_throughput": {"p90": 20}, "sort": "price"}},
        {"model": f"{FALCON}:exacto:nitro"},
    ],
    ids=str,
)
def test_measures_speed_when_the_order_depends_on_it(fields: dict[str, Any]) -> None:
    health = HealthBook(LIMITS)
    health.succeeded(1, 0, latency_s=2, tokens_per_s=10)
    health.succeeded(2, 0, latency_s=0.5, tokens_per_s=90)
    model = make_model(make_endpoint(1, price=1), make_endpoint(2, price=2), pool={1, 2})

    assert _ids(_plan(model, health=health, **fields)) == [2, 1]

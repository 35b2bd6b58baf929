"""The admin's first page: what waits for somebody, what is being done, and whether Assay is well.

Named in settings as the theme's dashboard. Owns which tasks there are and their words; deciding is
done on the pages they lead to. The rules others rely on: nobody is told of what he may not see;
each kind shows its first few, the urgent before the others, counts the rest up to a bound and
leads to it, so the page costs the same for any catalogue.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify
from django.utils.timezone import localdate, now

from providers.models import Credential, Endpoint, Model
from routing.admin.in_progress import COUNTED, in_progress, up_to
from routing.admin.review import due
from routing.admin.workplace.doors import Doors
from routing.admin.workplace.overview import need_somebody_first
from routing.admin.workplace.page import VARIANT
from routing.models import (
    Allowlist,
    AllowlistEntry,
    Delivery,
    LeftOut,
    ModelPolicy,
    Notice,
    Quarantine,
)
from routing.system_health import State, system_health
from telemetry.models import EndpointScore, Feedback, Standing
from telemetry.models.scores import BENCHMARKS

_SHOWN = 8  # tasks of one kind
_SHOWN_ALL = 100  # where only this kind is shown
_CASES = 1_000  # of feedback, and notices not delivered: counted up to here
_NAMES = 1_000  # environment variables that are looked at


@dataclass(frozen=True, slots=True)
class Task:
    """Something to look at, in one sentence, and where."""

    text: str
    url: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Tasks of one kind: those to be shown, and how many there are beyond, counted to a bound."""

    tasks: Sequence[Task]
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of task: who may see it, what finds so many of it, and the page that has all."""

    title: str
    permission: str
    find: Callable[[int], Found]
    page: str

    @property
    def name(self) -> str:
        return slugify(self.title)


@dataclass(frozen=True, slots=True)
class Group:
    """The tasks of one kind: the first of them, how many more there are, and where those are."""

    title: str
    tasks: Sequence[Task]
    more: str
    rest: str  # address of the rest, where there is one

    @property
    def urgent(self) -> bool:
        return any(task.urgent for task in self.tasks)


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page what its reader may see and should act on, the urgent first.

    With `?all=` and a kind's name it shows that kind alone, and more of it.
    """
    doors = Doors(request.user.has_perm)
    kinds = [kind for kind in _KINDS if doors.may(kind.permission)]
    for kind in kinds:
        if kind.name == request.GET.get("all"):
            group = _group(kind, _SHOWN_ALL, reverse(kind.page))
            groups = [group] if group.tasks else []
            return {**context, "title": kind.title, "groups": groups, "whole": True}
    first_page = reverse("admin:index")
    groups = [_group(kind, _SHOWN, f"{first_page}?all={kind.name}") for kind in kinds]
    sees_lists = doors.may(_LISTS)
    health = system_health() if sees_lists else []
    return {
        **context,
        "title": "Overview",
        "groups": sorted(
            (group for group in groups if group.tasks), key=lambda group: not group.urgent
        ),
        "running": list(in_progress(doors)),
        "models": need_somebody_first(VARIANT, doors) if sees_lists else [],
        "n_models": Model.objects.exclude(Model.EMBEDS).count() if sees_lists else 0,
        "health": health,
        "unwell": sum(part.state != State.OK for part in health),
    }


def _group(kind: Kind, most: int, rest: str) -> Group:
    found = kind.find(most)
    more = up_to(found.beyond, COUNTED) if found.beyond else ""
    return Group(kind.title, found.tasks, more, rest if more else "")


_Row = TypeVar("_Row")


def _first(rows: QuerySet[Any, _Row], tell: Callable[[_Row], Task], most: int) -> Found:
    """Tell the first rows, in the order they have, and count the others up to the bound."""
    shown = list(rows[: most + 1])
    beyond = rows[most : most + COUNTED + 1].count() if len(shown) > most else 0
    return Found([tell(row) for row in shown[:most]], beyond)


def _edition_page(edition: Allowlist) -> str:
    return reverse("admin:routing_allowlist_change", args=[edition.pk])


def _pools(most: int) -> Found:
    """Live editions with endpoints that are switched off; without any left, requests get 404."""
    in_service = Q(endpoints__enabled=True, endpoints__provider__enabled=True)
    live = Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED).select_related("model")
    counted = live.defer("evidence").annotate(
        listed=Count("endpoints"), serving=Count("endpoints", filter=in_service)
    )
    # Those that serve nobody are the urgent ones.
    short = counted.filter(serving__lt=F("listed")).order_by("serving", "model__slug", "variant")

    def tell(edition: Any) -> Task:
        name = f"{edition.model.slug}:{edition.variant}"
        text = (
            f"{name}: only {edition.serving} of {edition.listed} listed endpoints are in service."
            if edition.serving
            else f"{name}: every listed endpoint is stopped, so requests get 404."
        )
        return Task(text, _edition_page(edition), urgent=not edition.serving)

    return _first(short, tell, most)


def _editions_to_decide(most: int) -> Found:
    """Open editions: those sent to review first, each the longest open first."""
    open_ones = [Allowlist.Status.IN_REVIEW, Allowlist.Status.DRAFT]
    drafts = Allowlist.objects.filter(status__in=open_ones).defer("evidence")
    named = drafts.select_related("model", "created_by", "sent_by")
    # "in_review" comes after "draft".
    return _first(named.order_by("-status", "created_at", "pk"), _to_decide, most)


def _to_decide(draft: Allowlist) -> Task:
    page = _edition_page(draft)
    if draft.status == Allowlist.Status.IN_REVIEW:
        by = f" by {draft.sent_by.get_username()}" if draft.sent_by else ""
        return Task(f"{draft} was sent to review{by}: approve and publish it, or not.", page)
    if draft.untouched:
        return Task(f"{draft} is proposed: {draft.reason} Review and publish, or change it.", page)
    by = f" by {draft.created_by.get_username()}" if draft.created_by else ""
    return Task(f"{draft} is a draft{by}: finish and publish, or delete it.", page)


def _reviews_due(most: int) -> Found:
    """What curators decided against the evidence until a day that has come."""
    found: list[tuple[Any, Task]] = []
    number = 0
    for rows in due(localdate()):
        shown = [(one.review_by, _review(one)) for one in rows[: most + 1]]
        number += rows[: most + COUNTED + 1].count() if len(shown) > most else len(shown)
        found += shown
    found.sort(key=lambda one: one[0])
    return Found([task for _, task in found[:most]], max(number - most, 0))


def _review(decision: AllowlistEntry | LeftOut) -> Task:
    return Task(
        f"{decision.endpoint.tag} on {decision.allowlist}: look again at "
        f"“{decision.reason}” (due {decision.review_by:%d %b %Y}).",
        _edition_page(decision.allowlist),
    )


def _frozen(most: int) -> Found:
    frozen = ModelPolicy.objects.filter(frozen_until__gt=now()).select_related("model")

    def tell(policy: ModelPolicy) -> Task:
        return Task(
            f"{policy.model.slug}:{policy.variant} is frozen until "
            f"{policy.frozen_until:%d %b %H:%M}: find out what broke.",
            reverse("admin:routing_modelpolicy_change", args=[policy.pk]),
            urgent=True,
        )

    return _first(frozen.order_by("frozen_until", "pk"), tell, most)


def _set_aside(most: int) -> Found:
    rows = Quarantine.objects.filter(ended_at=None).select_related("endpoint", "model")

    def tell(row: Quarantine) -> Task:
        return Task(
            f"{row.endpoint.tag} is set aside from {row.model.slug}:{row.variant}: {row.reason}",
            reverse("admin:routing_quarantine_change", args=[row.pk]),
        )

    return _first(rows.defer("evidence").order_by("-started_at", "-pk"), tell, most)


def _notices(most: int) -> Found:
    """Urgent ones nobody has read, and one task for all that could not be delivered."""
    # What is set aside or frozen now has a task of its own.
    told = [Notice.Kind.QUARANTINE, Notice.Kind.FROZEN]
    unread = Notice.objects.filter(urgent=True, seen_at=None).exclude(kind__in=told)

    def tell(notice: Notice) -> Task:
        page = reverse("admin:routing_notice_change", args=[notice.pk])
        return Task(notice.text, page, urgent=True)

    found = _first(unread, tell, most)
    # On one channel or on several; whoever has read one has it all the same.
    given_up = Delivery.objects.filter(state=Delivery.State.FAILED, notice__seen_at=None)
    failed = given_up.order_by().values("notice").distinct()[: _CASES + 1].count()
    if not failed:
        return found
    noun = "notice could" if failed == 1 else "notices could"
    where = "its page says" if failed == 1 else "their pages say"
    words = f"{up_to(failed, _CASES).capitalize()} {noun} not be delivered: {where} why."
    asked = f"deliveries__state__exact={Delivery.State.FAILED.value}&seen_at__isempty=1"
    page = f"{reverse('admin:routing_notice_changelist')}?{asked}"
    return Found([*found.tasks, Task(words, page)], found.beyond)


def _open_feedback(most: int) -> Found:
    """Cases nobody has settled, counted up to a bound: a flood must not slow this page."""
    waiting = Feedback.waiting()[: _CASES + 1].count()
    if not waiting:
        return Found([])
    noun = "case of feedback waits" if waiting == 1 else "cases of feedback wait"
    page = reverse("admin:telemetry_feedback_changelist")
    words = up_to(waiting, _CASES).capitalize()
    return Found([Task(f"{words} {noun} for an answer.", f"{page}?state=open")])


def _models_without_list(most: int) -> Found:
    published = Allowlist.objects.filter(
        model=OuterRef("pk"), variant="exacto", status=Allowlist.Status.PUBLISHED
    )

    def tell(model: Model) -> Task:
        return Task(
            f"{model.slug} has no live allowlist: {model.slug}:exacto answers 404.",
            f"{reverse('admin:routing_allowlist_add')}?model={model.pk}",
        )

    # Of what is imported with no endpoint yet, nobody is asked for anything; and who embeds calls
    # no tools, so nobody curates it.
    serving = Endpoint.objects.filter(model=OuterRef("pk"), enabled=True, provider__enabled=True)
    rows = Model.objects.filter(~Exists(published), Exists(serving), enabled=True)
    rows = rows.exclude(Model.EMBEDS)
    return _first(rows.order_by("slug"), tell, most)


def _divergences(most: int) -> Found:
    """Endpoints that do better in benchmarks than for their users: possible gaming."""
    rows = EndpointScore.objects.filter(**{f"criteria__{BENCHMARKS}__verdict": "fail"})

    def tell(score: EndpointScore) -> Task:
        page = reverse("admin:providers_model_benchmarks", args=[score.endpoint.model_id])
        return Task(f"{score.endpoint}: {score.criteria[BENCHMARKS]['sentence']}.", page)

    named = rows.select_related("endpoint__model", "endpoint__provider")
    return _first(named.order_by("endpoint__model__slug", "endpoint__tag"), tell, most)


def _too_little_data(most: int) -> Found:
    """Models on whose endpoints the evidence says nothing yet, one task for each."""
    unknown = Q(score=None) | Q(score__standing=Standing.INSUFFICIENT_DATA)
    serving = Endpoint.objects.filter(enabled=True, provider__enabled=True, model__enabled=True)
    # An embedding model calls no tools, so it is never scored.
    scored = serving.filter(model__in=Model.objects.exclude(Model.EMBEDS))
    rows = scored.order_by().values("model", "model__slug")
    counted = rows.annotate(n=Count("pk"), unknown=Count("pk", filter=unknown))

    def tell(row: Mapping[str, object]) -> Task:
        return Task(
            f"{row['model__slug']}: too little data on {row['unknown']} of {row['n']} endpoints. "
            "Send it traffic, or have it verified.",
            reverse("admin:routing_model_workplace", args=[row["model"]]),
        )

    return _first(counted.filter(unknown__gt=0).order_by("-unknown", "model__slug"), tell, most)


def _unset_credentials(most: int) -> Found:
    named = Credential.objects.exclude(api_key_env="").filter(provider__enabled=True)
    names = named.order_by("api_key_env").values_list("api_key_env", flat=True).distinct()
    unset = [name for name in names[:_NAMES] if Credential(api_key_env=name).open() is None]
    rows = named.filter(api_key_env__in=unset).select_related("provider")

    def tell(credential: Credential) -> Task:
        return Task(
            f"{credential.provider}: environment variable {credential.api_key_env} is not set.",
            reverse("admin:providers_provider_change", args=[credential.provider_id]),
            urgent=True,
        )

    return _first(rows.order_by("provider__slug"), tell, most)


_LISTS = "routing.view_allowlist"
_KINDS = (
    Kind("Notices", "routing.view_notice", _notices, "admin:routing_notice_changelist"),
    Kind("Live lists in want of endpoints", _LISTS, _pools, "admin:routing_allowlist_changelist"),
    Kind("Frozen", "routing.view_quarantine", _frozen, "admin:routing_modelpolicy_changelist"),
    Kind("Credentials", "providers.view_credential", _unset_credentials,
         "admin:providers_provider_changelist"),
    Kind("Drafts to decide", _LISTS, _editions_to_decide, "admin:routing_allowlist_changelist"),
    Kind("Set aside", "routing.view_quarantine", _set_aside, "admin:routing_quarantine_changelist"),
    Kind("Reviews due", _LISTS, _reviews_due, "admin:routing_allowlist_changelist"),
    Kind("Better in benchmarks than in traffic", _LISTS, _divergences,
         "admin:telemetry_benchmarkrun_changelist"),
    Kind("Feedback", "telemetry.view_feedback", _open_feedback,
         "admin:telemetry_feedback_changelist"),
    Kind("Too little data", _LISTS, _too_little_data, "admin:routing_model_workplaces"),
    Kind("Models without a live list", _LISTS, _models_without_list,
         "admin:providers_model_changelist"),
)  # fmt: skip

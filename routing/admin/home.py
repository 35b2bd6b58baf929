"""The admin's first page: what waits for somebody. Named in settings as the theme's dashboard."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import localdate, now

from providers.models import Credential, Model
from routing.admin.review import due
from routing.models import Allowlist, Delivery, ModelPolicy, Notice, Quarantine


@dataclass(frozen=True, slots=True)
class Task:
    """Something to look at, in one sentence, and where."""

    text: str
    url: str
    urgent: bool = False


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the first page what its reader may see and should act on, the urgent first."""
    tasks: list[Task] = []
    if request.user.has_perm("routing.view_allowlist"):
        tasks += [*_pools(), *_editions_to_decide(), *_models_without_list(), *_reviews_due()]
    if request.user.has_perm("routing.view_quarantine"):
        tasks += [*_frozen(), *_set_aside()]
    if request.user.has_perm("routing.view_notice"):
        tasks += [*_urgent_notices(), *_undelivered()]
    if request.user.has_perm("providers.view_credential"):
        tasks += _unset_credentials()
    tasks.sort(key=lambda task: not task.urgent)
    return {**context, "title": "Overview", "tasks": tasks}


def _edition_page(edition: Allowlist) -> str:
    return reverse("admin:routing_allowlist_change", args=[edition.pk])


def _pools() -> Iterator[Task]:
    """Live editions with endpoints that are switched off; without any left, requests get 404."""
    in_service = Q(endpoints__enabled=True, endpoints__provider__enabled=True)
    live = Allowlist.objects.filter(status=Allowlist.Status.PUBLISHED).select_related("model")
    for edition in live.annotate(
        listed=Count("endpoints"), serving=Count("endpoints", filter=in_service)
    ):
        if edition.serving == edition.listed:
            continue
        name = f"{edition.model.slug}:{edition.variant}"
        text = (
            f"{name}: only {edition.serving} of {edition.listed} listed endpoints are in service."
            if edition.serving
            else f"{name}: every listed endpoint is stopped, so requests get 404."
        )
        yield Task(text, _edition_page(edition), urgent=not edition.serving)


def _editions_to_decide() -> Iterator[Task]:
    open_ones = [Allowlist.Status.DRAFT, Allowlist.Status.IN_REVIEW]
    drafts = Allowlist.objects.filter(status__in=open_ones)
    for draft in drafts.select_related("model", "created_by", "sent_by"):
        page = _edition_page(draft)
        if draft.status == Allowlist.Status.IN_REVIEW:
            by = f" by {draft.sent_by.get_username()}" if draft.sent_by else ""
            yield Task(f"{draft} was sent to review{by}: approve and publish it, or not.", page)
        elif draft.untouched:
            yield Task(
                f"{draft} is proposed: {draft.reason} Review and publish, or change it.", page
            )
        else:
            by = f" by {draft.created_by.get_username()}" if draft.created_by else ""
            yield Task(f"{draft} is a draft{by}: finish and publish, or delete it.", page)


def _reviews_due() -> Iterator[Task]:
    """What curators decided against the evidence until a day that has come."""
    for decision in due(localdate()):
        yield Task(
            f"{decision.endpoint.tag} on {decision.allowlist}: look again at "
            f"“{decision.reason}” (due {decision.review_by:%d %b %Y}).",
            _edition_page(decision.allowlist),
        )


def _frozen() -> Iterator[Task]:
    for policy in ModelPolicy.objects.filter(frozen_until__gt=now()).select_related("model"):
        yield Task(
            f"{policy.model.slug}:{policy.variant} is frozen until "
            f"{policy.frozen_until:%d %b %H:%M}: find out what broke.",
            reverse("admin:routing_modelpolicy_change", args=[policy.pk]),
            urgent=True,
        )


def _set_aside() -> Iterator[Task]:
    rows = Quarantine.objects.filter(ended_at=None).select_related("endpoint", "model")
    for row in rows:
        yield Task(
            f"{row.endpoint.tag} is set aside from {row.model.slug}:{row.variant}: {row.reason}",
            reverse("admin:routing_quarantine_change", args=[row.pk]),
        )


_SHOWN = 10  # notices; the rest are on their own page


def _urgent_notices() -> Iterator[Task]:
    unread = Notice.objects.filter(urgent=True, seen_at=None)
    # What is set aside or frozen now has a task of its own.
    told = [Notice.Kind.QUARANTINE, Notice.Kind.FROZEN]
    for notice in unread.exclude(kind__in=told)[:_SHOWN]:
        page = reverse("admin:routing_notice_change", args=[notice.pk])
        yield Task(notice.text, page, urgent=True)


def _undelivered() -> Iterator[Task]:
    failed = Delivery.objects.filter(state=Delivery.State.FAILED).count()
    if failed:
        page = reverse("admin:routing_notice_changelist")
        yield Task(f"{failed} notices could not be delivered: see their page for why.", page)


def _models_without_list() -> Iterator[Task]:
    published = Allowlist.objects.filter(
        model=OuterRef("pk"), variant="exacto", status=Allowlist.Status.PUBLISHED
    )
    for model in Model.objects.filter(~Exists(published), enabled=True):
        yield Task(
            f"{model.slug} has no live allowlist: {model.slug}:exacto answers 404.",
            f"{reverse('admin:routing_allowlist_add')}?model={model.pk}",
        )


def _unset_credentials() -> Iterator[Task]:
    named = Credential.objects.exclude(api_key_env="").filter(provider__enabled=True)
    for credential in named.select_related("provider"):
        if credential.open() is None:
            yield Task(
                f"{credential.provider}: environment variable {credential.api_key_env} is not set.",
                reverse("admin:providers_provider_change", args=[credential.provider_id]),
                urgent=True,
            )

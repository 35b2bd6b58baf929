"""The admin's first page: what waits for somebody. Named in settings as the theme's dashboard."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse

from providers.models import Credential, Model
from routing.models import Allowlist


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
        tasks += [*_pools(), *_drafts(), *_models_without_list()]
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


def _drafts() -> Iterator[Task]:
    drafts = Allowlist.objects.filter(status=Allowlist.Status.DRAFT)
    for draft in drafts.select_related("model", "created_by"):
        by = f" by {draft.created_by.get_username()}" if draft.created_by else ""
        yield Task(
            f"{draft} is a draft{by}: finish and publish, or delete it.", _edition_page(draft)
        )


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

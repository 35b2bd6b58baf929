"""What a quickstart fills in for its reader: this server's address, and a model that can be asked.

Owns the model; the address is `routing.own_address`'s. The rule others rely on: a model is told
only if its name is one the API accepts, so that nothing in it can break out of a snippet.
"""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from providers.models import Endpoint, Model
from routing.gateway.slugs import SlugError, parse_model
from routing.models import Allowlist, AllowlistEntry
from routing.own_address import own_address
from routing.pages.docs.clients import Snippet
from routing.pages.published import VARIANT

_NAMELESS = "author/model"
_LOOKED_AT = 50  # models, of which the first that can be asked for a chat is told


@dataclass(frozen=True, slots=True)
class Asked:
    """The model that snippets ask for; `listed`: its pool is published. `exists`: it is served."""

    name: str
    listed: bool
    exists: bool = True


def root_address(request: HttpRequest) -> str:
    """Return the address of this server's APIs, without `/v1`."""
    return f"{own_address(request)}/api"


def asked_model() -> Asked:
    """Return the first model with a published pool that serves, or else one that is served."""
    listed = AllowlistEntry.objects.filter(
        allowlist__model=OuterRef("pk"),
        allowlist__variant=VARIANT,
        allowlist__status=Allowlist.Status.PUBLISHED,
        endpoint__enabled=True,
        endpoint__provider__enabled=True,
    )
    if slug := _first(Exists(listed)):
        return Asked(f"{slug}:{VARIANT}", listed=True)
    served = Endpoint.objects.filter(model=OuterRef("pk"), enabled=True, provider__enabled=True)
    slug = _first(Exists(served))
    return Asked(slug or _NAMELESS, listed=False, exists=bool(slug))


def _first(condition: Exists) -> str:
    found = Model.objects.filter(condition, enabled=True).order_by("slug")
    names = (model.slug for model in found[:_LOOKED_AT] if not model.embeds)
    return next(filter(_can_be_asked, names), "")


def _can_be_asked(slug: str) -> bool:
    try:
        return parse_model(slug).slug == slug
    except SlugError:
        return False


def filled_in(snippet: Snippet, root: str, model: str) -> str:
    """Return what is to be copied, as it runs."""
    filled = snippet.text.replace("%BASE_URL%", f"{root}/v1").replace("%ROOT_URL%", root)
    return filled.replace("%MODEL%", model).rstrip("\n")

"""GET /models?use_rss=true: the same rows as a feed, for whoever wants to hear of new models.

Owns the feed's form. It chooses no rows.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from io import StringIO

from django.http import HttpResponse
from django.utils.feedgenerator import Rss201rev2Feed
from rest_framework.request import Request

from routing.api.cacheable import cacheable_bytes
from routing.api.reachable import Listing

# What XML has no way to write.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def feed(request: Request, listings: Sequence[Listing]) -> HttpResponse:
    """Return an RSS feed with one item per listing."""
    here = request.build_absolute_uri(request.path)
    rss = Rss201rev2Feed(title="Models", link=here, description="The models that can be asked for.")
    for listing in listings:
        released = listing.model.released_at
        rss.add_item(
            title=_plain(listing.name),
            link=f"{here}/{listing.id}/endpoints",
            description=_plain(listing.model.description),
            unique_id=listing.id,
            unique_id_is_permalink=False,
            pubdate=datetime.combine(released, time(), UTC) if released else None,
        )
    text = StringIO()
    rss.write(text, "utf-8")
    return cacheable_bytes(
        request, text.getvalue().encode(), content_type="application/rss+xml; charset=utf-8"
    )


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("", text)

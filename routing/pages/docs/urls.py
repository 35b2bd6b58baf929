"""The addresses under /docs/ that are pages to read."""

from django.urls import URLPattern, path

from routing.api.document import docs_page
from routing.pages.docs.quickstart import docs_index, quickstart
from routing.pages.docs.reference import reference_index, reference_part
from routing.pages.docs.selection import selection_page

urlpatterns: list[URLPattern] = [
    path("", docs_index, name="docs"),
    path("quickstart/<str:client>", quickstart, name="docs-quickstart"),
    path("selection", selection_page, name="docs-selection"),
    path("reference", reference_index, name="docs-reference"),
    path("reference/<str:part>", reference_part, name="docs-reference-part"),
    path("api", docs_page, name="docs-api"),
]

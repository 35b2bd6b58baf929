from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from routing.admin.second_factor import second_factor_page
from routing.api.account import AccountPreferencesView
from routing.api.benchmarks import BenchmarksView
from routing.api.catalogue import (
    EmbeddingsModelsView,
    ModelsCountView,
    ModelsView,
    ModelView,
    UserModelsView,
)
from routing.api.document import DocumentView, old_docs_page
from routing.api.exacto import ModelExactoView
from routing.api.explain import GenerationExplainView
from routing.api.feedback import GenerationFeedbackView
from routing.api.generation import GenerationView
from routing.api.key import KeyView
from routing.api.keys import KeysView, OneKeyView, RotateKeyView
from routing.api.model_endpoints import ModelEndpointsView, ParametersView, ZdrEndpointsView
from routing.api.providers import ProvidersView
from routing.api.spending import ActivityView, CreditsView

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/second-factor/", admin.site.admin_view(second_factor_page), name="second_factor"),
    path("admin/", admin.site.urls),
    path("docs", old_docs_page),
    path("docs/", include("routing.pages.docs.urls")),
    path("account/", include("routing.pages.account.urls")),
    path("exacto/", include("routing.pages.urls")),
    path("api/v1/models", ModelsView.as_view()),
    path("api/v1/models/user", UserModelsView.as_view()),
    path("api/v1/models/count", ModelsCountView.as_view()),
    path("api/v1/embeddings/models", EmbeddingsModelsView.as_view()),
    path("api/v1/model/<str:author>/<str:slug>", ModelView.as_view()),
    path("api/v1/models/<str:author>/<str:slug>/endpoints", ModelEndpointsView.as_view()),
    path("api/v1/models/<str:author>/<str:slug>/exacto", ModelExactoView.as_view()),
    path("api/v1/endpoints/zdr", ZdrEndpointsView.as_view()),
    path("api/v1/parameters/<str:author>/<str:slug>", ParametersView.as_view()),
    path("api/v1/providers", ProvidersView.as_view()),
    path("api/v1/benchmarks", BenchmarksView.as_view()),
    path("api/v1/generation", GenerationView.as_view()),
    path("api/v1/generation/explain", GenerationExplainView.as_view()),
    path("api/v1/generation/feedback", GenerationFeedbackView.as_view()),
    path("api/v1/account/preferences", AccountPreferencesView.as_view()),
    path("api/v1/key", KeyView.as_view()),
    path("api/v1/auth/key", KeyView.as_view()),
    path("api/v1/keys", KeysView.as_view()),
    path("api/v1/keys/<str:key_hash>", OneKeyView.as_view()),
    path("api/v1/keys/<str:key_hash>/rotate", RotateKeyView.as_view()),
    path("api/v1/credits", CreditsView.as_view()),
    path("api/v1/activity", ActivityView.as_view()),
    path("api/v1/openapi.json", DocumentView.as_view()),
]

handler400 = "routing.api.errors.bad_request"
handler403 = "routing.api.errors.permission_denied"
handler404 = "routing.api.errors.page_not_found"
handler500 = "routing.api.errors.server_error"

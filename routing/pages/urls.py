"""The addresses under /exacto/. Fixed words come before `<author>/<slug>`: the first match wins."""

from django.urls import URLPattern, path

from routing.pages.badge import badge
from routing.pages.benchmarks import benchmarks_csv, benchmarks_json, benchmarks_page
from routing.pages.feedback import feedback_page, feedback_status
from routing.pages.model import model_page
from routing.pages.model_files import model_csv, model_json
from routing.pages.report import report_csv, report_page
from routing.pages.scoreboard import scoreboard

urlpatterns: list[URLPattern] = [
    path("", scoreboard, name="scoreboard"),
    path("feedback/", feedback_page, name="feedback"),
    path("feedback/<str:link>", feedback_status, name="feedback-status"),
    path("report/<str:link>/", report_page, name="report"),
    path("report/<str:link>/report.csv", report_csv, name="report-csv"),
    path("<str:author>/<str:slug>.json", model_json, name="model-json"),
    path("<str:author>/<str:slug>.csv", model_csv, name="model-csv"),
    path("<str:author>/<str:slug>/benchmarks", benchmarks_page, name="model-benchmarks"),
    path("<str:author>/<str:slug>/benchmarks.json", benchmarks_json, name="model-benchmarks-json"),
    path("<str:author>/<str:slug>/benchmarks.csv", benchmarks_csv, name="model-benchmarks-csv"),
    path("<str:author>/<str:slug>/badge.svg", badge, name="model-badge"),
    path("<str:author>/<str:slug>", model_page, name="model"),
]

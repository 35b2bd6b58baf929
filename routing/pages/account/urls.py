"""The addresses under /account/."""

from django.urls import URLPattern, path

from routing.pages.account.generations import generation, generations
from routing.pages.account.keys import key_page, keys_page
from routing.pages.account.overview import account
from routing.pages.account.preferences import preferences
from routing.pages.account.sign_in import sign_out_page

urlpatterns: list[URLPattern] = [
    path("", account, name="account"),
    path("sign-out", sign_out_page, name="account-sign-out"),
    path("keys/", keys_page, name="account-keys"),
    path("keys/<str:key_hash>", key_page, name="account-key"),
    path("preferences/", preferences, name="account-preferences"),
    path("generations/", generations, name="account-generations"),
    path("generations/<str:generation_id>", generation, name="account-generation"),
]

"""Curators make and close links for providers, and settle what is written there."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from providers.models import Endpoint
from routing.models import AuditEntry, ProviderMessage, ProviderReport
from tests.admin_people import curator, newcomer
from tests.catalog_rows import make_endpoint

pytestmark = pytest.mark.django_db
ADD = "admin:routing_providerreport_add"
LIST = "admin:routing_providerreport_changelist"


def make(client: Client, endpoint: Endpoint, **fields: Any) -> Any:
    told = {"endpoint": endpoint.pk, "note": "Cy of Cobalt", "days": 14, **fields}
    return client.post(reverse(ADD), told)


def test_a_curator_makes_a_link_and_sees_it_once(client: Client) -> None:
    endpoint, carl = make_endpoint(), curator()

    answer = make(carl, endpoint)

    path = re.search(r"/exacto/report/[^<\s]+/", answer.text)
    assert path
    assert client.get(path[0]).status_code == 200
    row = ProviderReport.objects.get()
    page = reverse("admin:routing_providerreport_change", args=[row.pk])
    listed = carl.get(reverse(LIST)).text + carl.get(page).text
    assert "Cy of Cobalt" in listed
    assert path[0] not in listed
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.reason) == (
        "make report link", "carl", "Cy of Cobalt",
    )  # fmt: skip


def test_an_endpoints_page_leads_there() -> None:
    endpoint = make_endpoint()

    page = curator().get(reverse("admin:providers_endpoint_change", args=[endpoint.pk])).text
    form = curator("dora").get(f"{reverse(ADD)}?endpoint={endpoint.pk}").text

    assert f"{reverse(ADD)}?endpoint={endpoint.pk}" in page
    assert f'<option value="{endpoint.pk}" selected' in form


@pytest.mark.parametrize("days", ["0", "91", "x", ""])
def test_a_link_has_an_end(days: str) -> None:
    make(curator(), make_endpoint(), days=days)

    assert not ProviderReport.objects.exists()


def test_a_revoked_link_stays_listed_and_opens_nothing(client: Client) -> None:
    carl = curator()
    found = re.search(r"/exacto/report/[^<\s]+/", make(carl, make_endpoint()).text)
    assert found
    chosen = {"action": "revoke", "_selected_action": [ProviderReport.objects.get().pk]}

    carl.post(reverse(LIST), chosen)
    carl.post(reverse(LIST), chosen)

    assert client.get(found[0]).status_code == 404
    assert "revoked" in carl.get(reverse(LIST)).text
    assert AuditEntry.objects.filter(action="revoke report link").count() == 1


def test_who_may_not_makes_and_sees_none() -> None:
    nina, endpoint = newcomer(), make_endpoint()

    assert make(nina, endpoint).status_code == 403
    assert nina.get(reverse(LIST)).status_code == 403
    assert not ProviderReport.objects.exists()


def retest(client: Client, carl: Client) -> ProviderMessage:
    found = re.search(r"/exacto/report/[^<\s]+/", make(carl, make_endpoint()).text)
    assert found
    client.post(found[0], {"kind": "retest", "text": "<i>Mended</i>"})
    return ProviderMessage.objects.get()


def test_a_retest_leads_to_the_verifier() -> None:
    carl = curator()
    message = retest(Client(), carl)

    page = carl.get(reverse("admin:routing_providermessage_change", args=[message.pk])).text

    url = f"{reverse('admin:telemetry_verifierrun_add')}?endpoint={message.endpoint_id}"
    assert f"{url}&amp;cause=fix" in page
    assert "&lt;i&gt;Mended" in page
    assert carl.get(f"{url}&cause=fix").context["form"].initial["cause"] == "fix"


def test_a_curator_settles_and_replies() -> None:
    carl = curator()
    message = retest(Client(), carl)
    page = reverse("admin:routing_providermessage_change", args=[message.pk])

    carl.post(page, {"reply": "Verified again.", "settled": "on", "text": "changed"})

    message.refresh_from_db()
    assert (message.reply, message.text) == ("Verified again.", "<i>Mended</i>")
    assert message.settled_at
    assert message.settled_at <= now()
    assert message.settled_by
    assert message.settled_by.username == "carl"
    assert AuditEntry.objects.filter(action="answer provider").exists()
    assert newcomer().post(page, {"reply": "x"}).status_code == 403

"""Curators are told by e-mail and webhook: at least once, signed, never in the way of anything."""

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.utils.timezone import now

from routing.curation.delivering import deliver_due
from routing.curation.notices import tell
from routing.models import Delivery, Notice
from routing.webhook_settings import webhook_settings
from tests.catalog_rows import make_allowlist, make_endpoint

SECRET = "only-for-tests-webhook"


class Receiver:
    """A webhook's other end: keeps what it is sent, and answers with one status after another."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen.append((dict(self.headers), body))
                status = receiver.answers.pop(0) if receiver.answers else 204
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    one = Receiver()
    settings.WEBHOOK_URL = one.url
    settings.WEBHOOK_SECRET = SECRET
    settings.UPSTREAM_ALLOW_CIDRS = "127.0.0.0/8"
    settings.PUBLIC_URL = "https://assay.test"
    yield one
    one.close()


@pytest.fixture
def mailed(settings: Any) -> None:
    settings.CURATOR_EMAILS = ["carl@assay.test", "dora@assay.test"]
    settings.PUBLIC_URL = "https://assay.test"


def break_zinc(key: str | None = None) -> Notice | None:
    return tell(
        Notice.Kind.QUARANTINE,
        "zinc is set aside.\nIts calls broke.",
        path="/admin/routing/quarantine/7/",
        urgent=True,
        key=key,
    )


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Check a signature as a receiver would: on its own, by docs/curation.md."""
    at, given = (part.split("=")[1] for part in headers["Assay-Signature"].split(","))
    message = at.encode() + b"." + body
    expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, given)


@pytest.mark.django_db
def test_a_webhook_is_told_what_happened_and_where_to_look(receiver: Receiver) -> None:
    edition = make_allowlist(make_endpoint())
    notice = tell(Notice.Kind.PUBLISHED, "Published.", edition=edition)
    assert notice is not None

    assert deliver_due() == 1

    ((headers, body),) = receiver.seen
    assert json.loads(body) == {
        "id": str(notice.pk),
        "created_at": notice.created_at.isoformat(),
        "kind": "published",
        "urgent": False,
        "model": "acme/falcon-1",
        "variant": "exacto",
        "text": "Published.",
        "url": f"https://assay.test/admin/routing/allowlist/{edition.pk}/change/",
    }
    assert headers["Content-Type"] == "application/json"


@pytest.mark.django_db
def test_a_webhook_is_signed_with_the_secret(receiver: Receiver) -> None:
    break_zinc()

    deliver_due()

    ((headers, body),) = receiver.seen
    assert is_signed(headers, body, SECRET)
    assert not is_signed(headers, body + b" ", SECRET)
    assert not is_signed(headers, body, "another-secret-of-16")
    at = int(headers["Assay-Signature"].split(",")[0].removeprefix("t="))
    assert abs(at - now().timestamp()) < 60


@pytest.mark.django_db
@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_is_not_taken_is_sent_again_later(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    at = now()
    break_zinc()

    assert deliver_due() == 0
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.error) == ("pending", f"the receiver answered {status}")
    assert deliver_due(at + timedelta(seconds=20)) == 0
    assert deliver_due(at + timedelta(seconds=60)) == 1

    first, second = receiver.seen
    assert first[1] == second[1]  # the same to the byte, with the same id
    assert Delivery.objects.get().state == "sent"
    assert deliver_due(at + timedelta(days=1)) == 0
    assert len(receiver.seen) == 2


@pytest.mark.django_db
def test_it_is_given_up_after_half_a_day(receiver: Receiver) -> None:
    receiver.answers = [500] * 99
    break_zinc()
    at = now()

    for _ in range(30):
        deliver_due(at)
        at += timedelta(hours=1)

    assert Delivery.objects.get().state == "failed"
    assert len(receiver.seen) == 18


@pytest.mark.django_db
def test_an_address_that_may_not_be_dialled_is_not(receiver: Receiver, settings: Any) -> None:
    settings.UPSTREAM_ALLOW_CIDRS = ""
    break_zinc()

    assert deliver_due() == 0

    assert receiver.seen == []
    assert Delivery.objects.get().error == "its address is refused: see UPSTREAM_ALLOW_CIDRS"


@pytest.mark.django_db
def test_plain_http_goes_to_allowed_ranges_only(settings: Any) -> None:
    settings.WEBHOOK_URL, settings.WEBHOOK_SECRET = "http://9.9.9.9/hook", SECRET
    settings.UPSTREAM_ALLOW_CIDRS = "127.0.0.0/8"
    break_zinc()

    assert deliver_due() == 0

    assert "address is refused" in Delivery.objects.get().error


@pytest.mark.django_db
def test_curators_get_a_mail_without_line_breaks_in_its_subject(mailed: None) -> None:
    notice = break_zinc()
    assert notice is not None

    assert deliver_due() == 1

    (sent,) = mail.outbox
    assert sent.to == ["carl@assay.test", "dora@assay.test"]
    assert sent.subject == "[Assay] Urgent: zinc is set aside. Its calls broke."
    assert "https://assay.test/admin/routing/quarantine/7/" in sent.body
    assert sent.extra_headers["Message-ID"] == f"<{notice.pk}@localhost>"


@pytest.mark.django_db
def test_nobody_is_told_where_nothing_is_set() -> None:
    break_zinc()

    assert not Delivery.objects.exists()
    assert Notice.objects.exists()


@pytest.mark.django_db
def test_the_same_thing_is_told_once(mailed: None) -> None:
    assert break_zinc(key="zinc broke") is not None
    assert break_zinc(key="zinc broke") is None

    assert Notice.objects.count() == Delivery.objects.count() == 1


@pytest.mark.django_db
def test_one_channel_that_fails_does_not_hold_up_the_other(
    receiver: Receiver, mailed: None
) -> None:
    def broken(notice: Notice) -> None:
        raise ConnectionRefusedError("smtp://user:password@host")

    from routing.curation import webhook

    break_zinc()

    assert deliver_due(channels={"email": broken, "webhook": webhook.send}) == 1

    failed = Delivery.objects.get(channel="email")
    assert (failed.state, failed.error) == ("pending", "ConnectionRefusedError")


@pytest.mark.django_db
def test_a_receiver_that_is_away_is_asked_once_a_sweep(receiver: Receiver, mailed: None) -> None:
    """Each try may take a time-out's length, in which mails and all other tasks would wait."""
    for _ in range(4):
        break_zinc()
    asked = 0

    def away(notice: Notice) -> None:
        nonlocal asked
        asked += 1
        raise TimeoutError

    assert deliver_due(channels={"webhook": away, "email": lambda notice: None}) == 4

    assert asked == 1
    assert sorted(Delivery.objects.values_list("state", "attempts")) == [
        ("pending", 0), ("pending", 0), ("pending", 0), ("pending", 1),
        ("sent", 1), ("sent", 1), ("sent", 1), ("sent", 1),
    ]  # fmt: skip


@pytest.mark.django_db
def test_a_slow_receiver_has_its_turn_and_leaves_the_rest_to_the_next(
    receiver: Receiver, mailed: None
) -> None:
    for _ in range(9):
        break_zinc()
    seconds = 0.0

    def slow(notice: Notice) -> None:
        nonlocal seconds
        seconds += 9.0

    channels = {"webhook": slow, "email": lambda notice: None}

    assert deliver_due(channels=channels, clock=lambda: seconds) == 3 + 9
    assert deliver_due(channels=channels, clock=lambda: seconds) == 3
    assert deliver_due(channels=channels, clock=lambda: seconds) == 3


@pytest.mark.django_db
def test_a_sender_that_died_is_followed_by_another(mailed: None) -> None:
    class Died(BaseException):
        pass

    def dies(notice: Notice) -> None:
        raise Died

    break_zinc()
    at = now()
    with pytest.raises(Died):
        deliver_due(at, channels={"email": dies})

    assert deliver_due(at + timedelta(minutes=1)) == 0
    assert deliver_due(at + timedelta(minutes=3)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_one_mail(mailed: None) -> None:
    from django.db import connection

    break_zinc()
    at = now()
    both = threading.Barrier(2, timeout=10)
    taken: list[int] = []

    def work(at: datetime) -> None:
        try:
            both.wait()
            taken.append(deliver_due(at))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[at]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == [0, 1]
    assert len(mail.outbox) == 1


def test_the_documented_kinds_are_those_there_are() -> None:
    text = Path("docs/curation.md").read_text()

    [told] = re.findall(r"^`kind` is one of (.+?)\.", text, re.M | re.S)

    assert set(re.findall(r"`(\w+)`", told)) == set(Notice.Kind.values)


@pytest.mark.parametrize("secret", ["", "   ", "short"])
def test_a_webhook_without_a_real_secret_stops_the_start(secret: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="set WEBHOOK_SECRET"):
        webhook_settings("https://hooks.test/a", secret)


@pytest.mark.parametrize("url", ["ftp://hooks.test", "hooks.test/a", "https://u:p@hooks.test/"])
def test_an_address_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="WEBHOOK_URL cannot be used"):
        webhook_settings(url, SECRET)


@pytest.mark.django_db
def test_a_long_subject_ends_with_a_whole_word(mailed: None) -> None:
    notice = break_zinc()
    assert notice is not None
    text = "zinc is set aside. " + "Its calls broke. " * 20
    Notice.objects.filter(pk=notice.pk).update(text=text)

    deliver_due()

    (sent,) = mail.outbox
    assert len(sent.subject) <= 120
    assert sent.subject.endswith("Its calls …")
    assert "Its calls broke. " * 20 in sent.body

"""Hands notices to curators: what is due, by which channel, and when it is tried again.

Owns when a delivery is tried (again). What a channel does with a notice is `mail`'s and
`webhook`'s. The rule others rely on: a delivery is tried until it is taken or given up, at least
once, with the notice's id for a receiver to know it again; a receiver that is slow or away holds
up neither the other channel nor the worker for long. Only workers import this.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.utils.timezone import now

from routing.curation import mail, webhook
from routing.models import Delivery, Notice

logger = logging.getLogger(__name__)

_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_ATTEMPTS = 18  # over half a day
# A sender that died is believed dead after this: longer than any channel's time-out.
_CLAIM = timedelta(minutes=2)
_BATCH = 50
# A channel that has had this long leaves the rest to the next sweep.
_TURN_S = 20.0

Send = Callable[[Notice], None]
CHANNELS: Mapping[str, Send] = {
    Delivery.Channel.EMAIL: mail.send,
    Delivery.Channel.WEBHOOK: webhook.send,
}


def deliver_due(
    at: datetime | None = None,
    channels: Mapping[str, Send] = CHANNELS,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Try what is due, and return how many deliveries were taken.

    A channel's turn ends with the first that is not taken: the next would likely wait as long.
    """
    at = at or now()
    return sum(_deliver_by(name, send, at, clock) for name, send in channels.items())


def _deliver_by(channel: str, send: Send, at: datetime, clock: Callable[[], float]) -> int:
    due = Delivery.objects.filter(channel=channel, state=Delivery.State.PENDING, due_at__lte=at)
    ends, taken = clock() + _TURN_S, 0
    for delivery in due.select_related("notice__model").order_by("due_at")[:_BATCH]:
        if clock() >= ends:
            break
        if not _claim(delivery, at):
            continue
        if not _try(delivery, send, at):
            break
        taken += 1
    return taken


def _claim(delivery: Delivery, at: datetime) -> bool:
    """Take this delivery's turn, unless another sender did."""
    seen = Delivery.objects.filter(
        pk=delivery.pk, state=Delivery.State.PENDING, attempts=delivery.attempts
    )
    delivery.attempts += 1
    return seen.update(attempts=delivery.attempts, due_at=at + _CLAIM) == 1


def _try(delivery: Delivery, send: Send, at: datetime) -> bool:
    try:
        send(delivery.notice)
    except Exception as error:  # noqa: BLE001  # whatever a mail library raises: try again
        _put_off(delivery, error, at)
        return False
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.SENT, sent_at=now(), error=""
    )
    return True


def _put_off(delivery: Delivery, error: Exception, at: datetime) -> None:
    # Only its type: a library's text may hold a password or an address.
    words = str(error) if isinstance(error, webhook.NotTakenError) else type(error).__name__
    state = Delivery.State.PENDING
    if delivery.attempts >= _MOST_ATTEMPTS:
        state = Delivery.State.FAILED
    logger.warning("%s: attempt %d failed: %s", delivery, delivery.attempts, words)
    Delivery.objects.filter(pk=delivery.pk).update(
        state=state, due_at=at + pause(delivery.attempts), error=words[:200]
    )


def pause(attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts.

    >>> [pause(n).total_seconds() for n in (1, 2, 3, 12)]
    [30.0, 60.0, 120.0, 3600.0]
    """
    return min(_FIRST_PAUSE * int(2 ** min(attempts - 1, 20)), _LONGEST_PAUSE)

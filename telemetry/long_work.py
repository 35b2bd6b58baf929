"""Has long work say, while it runs, how far it is.

Owns the row's life. It does none of the work. The rule others rely on: the work goes on whether or
not this can be written, and the row goes with it, however it ends.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error, connection, transaction
from django.utils.timezone import now

from telemetry.models import LongWork

logger = logging.getLogger(__name__)


@contextmanager
def long_work(
    kind: LongWork.Kind, text: str, *, unit: str, asked: int = 0
) -> Iterator[Callable[[int], None]]:
    """Show the work as under way during the block; what it yields tells how much is done.

    `asked` is 0 where nobody knows. A process does one piece of work of a kind at a time.
    """
    name = f"{kind}:{socket.gethostname()[:80]}:{os.getpid()}"
    rows = LongWork.objects.filter(name=name)
    at = now()
    told = {"kind": kind, "text": text[:300], "unit": unit, "asked": asked}
    start = {**told, "done": 0, "began_at": at, "heard_at": at}
    _safely(lambda: LongWork.objects.update_or_create(name=name, defaults=start))
    try:
        yield lambda done: _safely(lambda: rows.update(done=done, heard_at=now()))
    finally:
        _safely(rows.delete)


def _safely(write: Callable[[], object]) -> None:
    try:
        with transaction.atomic():  # one that fails inside a transaction does not spoil it
            write()
    except Error as error:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # the work's own writes get a new one
        logger.info("how far long work is could not be noted: %s", type(error).__name__)

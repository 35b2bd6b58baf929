"""Periodic work that must not run twice, neither at once nor in one period.

Owns one conditional update. It runs nothing. The rule others rely on: of any number of processes
that ask at the same time, on any number of machines, one gets the turn; a holder that dies gives
it up after `hold`.
"""

from datetime import datetime, timedelta

from django.db import models


class Lease(models.Model):
    """The turn to do one piece of periodic work."""

    name = models.CharField(max_length=40, primary_key=True)
    due_at = models.DateTimeField()
    held_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, due {self.due_at:%H:%M:%S}"

    @classmethod
    def take(cls, name: str, *, at: datetime, every: timedelta, hold: timedelta) -> bool:
        """Return whether the caller has the turn now; it is due again after `every`."""
        cls.objects.get_or_create(name=name, defaults={"due_at": at, "held_until": at})
        free = cls.objects.filter(name=name, due_at__lte=at, held_until__lte=at)
        return free.update(due_at=at + every, held_until=at + hold) == 1

    @classmethod
    def borrow(cls, name: str, *, at: datetime, hold: timedelta) -> bool:
        """Return whether the caller has the turn now, out of turn: when it is due stays."""
        cls.objects.get_or_create(name=name, defaults={"due_at": at, "held_until": at})
        return cls.objects.filter(name=name, held_until__lte=at).update(held_until=at + hold) == 1

    @classmethod
    def renew(cls, name: str, *, held_until: datetime, until: datetime) -> bool:
        """Hold on until `until`; False if what was held until `held_until` is another's by now."""
        own = cls.objects.filter(name=name, held_until=held_until)
        return own.update(held_until=until) == 1

    @classmethod
    def give_back(cls, name: str, *, at: datetime) -> None:
        """Let the next turn begin when it is due."""
        cls.objects.filter(name=name).update(held_until=at)

"""People's second factor: the secret their authenticator app holds, and what became of their codes.

Owns the row, its sealing and its brake. What a code is, `routing.one_time_codes` says; where it is
asked for, `routing.admin.sign_in`. The rules others rely on: a row exists only for an app that has
shown a right code; the secret leaves it never again; of wrong codes in a row each doubles the time
in which none is looked at, up to LOGIN_LOCK_S, from wherever they come, and these codes come after
a right password: nobody else can make its owner wait.
"""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.utils.timezone import now

from providers.secrets import SealError, Secret, seal, unseal
from routing.models.audit import AuditEntry
from routing.one_time_codes import step_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)


class SecondFactor(models.Model):
    """One person's authenticator app."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="second_factor"
    )
    sealed = models.BinaryField(editable=False)
    set_up_at = models.DateTimeField()
    last_step = models.BigIntegerField(help_text="Of time, whose code was used last.")
    wrong_codes = models.PositiveIntegerField(default=0, help_text="In a row, until now.")
    wrong_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["user__username"]

    def __str__(self) -> str:
        return f"{self.user}'s second factor"

    @classmethod
    @transaction.atomic
    def set_up(cls, user: "User", secret: str, step: int) -> "SecondFactor":
        """Keep a secret whose code of this step was shown; IntegrityError if there is one."""
        sealed = seal(Secret(secret), keys=settings.CREDENTIAL_KEYS, row=_row(user.pk))
        factor = cls.objects.create(user=user, sealed=sealed, set_up_at=now(), last_step=step)
        AuditEntry.record("set up second factor", by=user)
        return factor

    @classmethod
    @transaction.atomic
    def remove(cls, user: "User", *, by: "User | str") -> bool:
        """Return whether the user had one, which is gone now."""
        removed, _ = cls.objects.filter(user=user).delete()
        if removed:
            named = {"person": user.get_username()}
            AuditEntry.record("remove second factor", by=by, after=named)
        return bool(removed)

    @classmethod
    @transaction.atomic
    def proven(cls, user_id: int, typed: str) -> "SecondFactor | None":
        """Return the person's factor if this is its code now, which is then used up.

        It still tells how many wrong ones came before.
        """
        factor = cls.objects.select_for_update().filter(user_id=user_id).first()
        if factor is None or factor._must_wait():
            return None
        step = factor._step_of(typed)
        mine = cls.objects.filter(pk=factor.pk)
        if step is None:
            mine.update(wrong_codes=models.F("wrong_codes") + 1, wrong_at=now())
            return None
        mine.update(last_step=step, wrong_codes=0, wrong_at=None)
        return factor

    def _must_wait(self) -> bool:
        if self.wrong_at is None:
            return False
        seconds = min(2 ** min(self.wrong_codes - 1, 30), settings.LIMITS.login_lock_s)
        return now() < self.wrong_at + timedelta(seconds=seconds)

    def _step_of(self, typed: str) -> int | None:
        try:
            secret = unseal(
                bytes(self.sealed), keys=settings.CREDENTIAL_KEYS, row=_row(self.user_id)
            )
        except SealError:
            logger.error(
                "no key in CREDENTIAL_KEYS opens the second factor of user %s:"
                " put the key back, or run manage.py reset_second_factor",
                self.user_id,
            )
            return None
        return step_of(secret.reveal(), typed, time=now().timestamp(), after=self.last_step)


def _row(user_id: int) -> str:
    return f"routing.secondfactor:{user_id}"

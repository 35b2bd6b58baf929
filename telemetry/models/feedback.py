"""What callers say of their generations, in their own words.

Owns the queue as rows. Nothing reads it by itself: no score, draft or list is moved by it until
somebody has looked. The rule others rely on: one row per generation, key and category; who says
it again corrects what they said.
"""

from django.db import models


class Feedback(models.Model):
    class Category(models.TextChoices):
        LATENCY = "latency", "slow"
        INCOHERENCE = "incoherence", "incoherent"
        INCORRECT_RESPONSE = "incorrect_response", "incorrect"
        FORMATTING = "formatting", "badly formatted"
        BILLING = "billing", "billing"
        API_ERROR = "api_error", "API error"
        OTHER = "other", "something else"

    generation = models.ForeignKey(
        "telemetry.Generation", models.DO_NOTHING, db_constraint=False, related_name="feedback"
    )
    account_id = models.BigIntegerField()
    api_key_id = models.BigIntegerField()
    category = models.CharField(max_length=20, choices=Category)
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "api_key_id", "category"], name="telemetry_feedback_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.generation_id}: {self.get_category_display()}"

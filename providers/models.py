"""Who can serve: providers, models, and the endpoints where the two meet.

Owns the catalogue's rows and the rules one row can check about itself. It knows nothing of
allowlists, routing or scores. The rule others rely on: every change of these tables, however
made, raises the number of the `Revision` named "catalog" (a database trigger does it), so a
process that polls that number misses nothing.
"""

import os
import re
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from providers.base_url import fault_of, filled
from providers.secrets import Secret, seal, unseal

# Only variables with this ending may hold credentials: a curator must not be able to send
# SECRET_KEY to a host of their own.
CREDENTIAL_ENV = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY")

QUANTIZATIONS = [
    "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32",
    "unknown",
]  # fmt: skip
TOOL_CHOICES = ["none", "auto", "required", "function"]
TIERS = ("flex", "priority")

slug_validator = RegexValidator(r"\A[a-z0-9][a-z0-9._-]{0,62}\Z", "Use a-z, 0-9, dot, dash.")
# Names reach headers and pages: printable, no control characters, no angle brackets.
name_validator = RegexValidator(r"\A[^\x00-\x1f\x7f<>]{1,100}\Z", "Use plain printable text.")


class Revision(models.Model):
    """A number that rises with every change of a topic; processes poll it to stay current."""

    topic = models.CharField(max_length=20, primary_key=True)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.topic} {self.number}"


class Provider(models.Model):
    """A company or team with an OpenAI-compatible API."""

    slug = models.CharField(max_length=63, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=100, validators=[name_validator])
    base_url = models.CharField(
        max_length=500,
        help_text="Up to and including /v1. ${UPSTREAM_URL_…} is read from the environment.",
    )
    enabled = models.BooleanField(default=True, help_text="Off: no new attempt goes there.")
    trains_on_data = models.BooleanField(
        default=False, help_text="May use prompts for training (data_collection: deny skips it)."
    )
    zero_data_retention = models.BooleanField(default=False)
    privacy_policy_url = models.URLField(blank=True)
    terms_of_service_url = models.URLField(blank=True)
    status_page_url = models.URLField(blank=True)
    headquarters = models.CharField(max_length=2, blank=True, help_text="ISO country code.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.resolved_base_url()

    def resolved_base_url(self) -> str:
        """Return base_url with its ${UPSTREAM_URL_…} read from the environment.

        Raises ValidationError for a variable that is not set, or an address that may not be.
        """
        if fault := fault_of(self.base_url, os.environ):
            raise ValidationError({"base_url": f"The address {fault}"})
        try:
            return filled(self.base_url, os.environ)
        except KeyError as unset:
            message = f"Environment variable {unset.args[0]} is not set."
            raise ValidationError({"base_url": message}) from None


class Credential(models.Model):
    """How we authenticate at one provider: a named environment variable, or a sealed key."""

    provider = models.OneToOneField(Provider, models.CASCADE, related_name="credential")
    api_key_env = models.CharField(
        "environment variable",
        max_length=100,
        blank=True,
        validators=[RegexValidator(rf"\A{CREDENTIAL_ENV.pattern}\Z", "Must end with _API_KEY.")],
    )
    sealed = models.BinaryField(blank=True, editable=False, default=b"")
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"credential of {self.provider}"

    def store(self, value: str) -> None:
        """Seal `value` into this row (not saved yet). Raises ValidationError if unusable."""
        if not re.fullmatch(r"[\x21-\x7e]{1,512}", value):
            raise ValidationError("A credential is 1 to 512 printable characters without spaces.")
        self.sealed = seal(Secret(value), keys=settings.CREDENTIAL_KEYS, row=self._row())
        self.api_key_env = ""

    def open(self) -> Secret | None:
        """Return the credential, or None where the environment variable is not set.

        Raises SealError if the sealed value cannot be opened.
        """
        if self.api_key_env:
            value = os.environ.get(self.api_key_env, "")
            return Secret(value) if re.fullmatch(r"[\x21-\x7e]+", value) else None
        if not self.sealed:
            return None
        return unseal(bytes(self.sealed), keys=settings.CREDENTIAL_KEYS, row=self._row())

    def _row(self) -> str:
        return f"providers.credential:{self.provider.slug}"


class Model(models.Model):
    """An open-weight or proprietary model, known as `author/slug`."""

    slug = models.CharField(
        max_length=200,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*\Z", "Write author/slug, no variant."
            )
        ],
    )
    name = models.CharField(max_length=200, validators=[name_validator])
    description = models.TextField(blank=True)
    context_length = models.PositiveIntegerField(help_text="Tokens.")
    released_at = models.DateField(null=True, blank=True)
    hugging_face_id = models.CharField(max_length=200, blank=True)
    tokenizer = models.CharField(max_length=50, default="Other")
    input_modalities = models.JSONField(default=list, blank=True)
    output_modalities = models.JSONField(default=list, blank=True)
    enabled = models.BooleanField(default=True)

    # Rows of which `embeds` is true.
    EMBEDS = models.Q(output_modalities__icontains='"embeddings"')

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def embeds(self) -> bool:
        """Whether it is asked for embeddings, and so for nothing else."""
        return "embeddings" in (self.output_modalities or ())


def _price(help_text: str) -> Any:
    return models.DecimalField(
        max_digits=15,
        decimal_places=12,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0))],
        help_text=help_text,
    )


class Endpoint(models.Model):
    """One provider's deployment of one model: the unit that is scored and allowed."""

    model = models.ForeignKey(Model, models.PROTECT, related_name="endpoints")
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="endpoints")
    tag = models.CharField(
        max_length=127,
        help_text="The provider's slug, or slug/detail such as cobalt/fp8.",
        validators=[
            RegexValidator(r"\A[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?\Z", "slug or slug/x")
        ],
    )
    upstream_model = models.CharField(max_length=200, help_text="The model id the provider uses.")
    quantization = models.CharField(
        max_length=10, default="unknown", choices=[(q, q) for q in QUANTIZATIONS]
    )
    context_length = models.PositiveIntegerField(help_text="Tokens, prompt and answer together.")
    max_completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    price_prompt = _price("USD per prompt token.")
    price_completion = _price("USD per completion token.")
    price_request = _price("USD per request.")
    price_cache_read = models.DecimalField(
        max_digits=15, decimal_places=12, null=True, blank=True,
        help_text="USD per cached prompt token; empty: as other prompt tokens.",
    )  # fmt: skip
    price_cache_write = models.DecimalField(
        max_digits=15, decimal_places=12, null=True, blank=True,
        help_text="USD per prompt token written to the cache; empty: as other prompt tokens.",
    )  # fmt: skip
    supported_parameters = models.JSONField(default=list, blank=True)
    tool_choices = models.JSONField(
        default=list, blank=True, help_text="Of none, auto, required, function; empty: all four."
    )
    trains_on_data = models.BooleanField(
        null=True, blank=True, help_text="Unknown: as the provider."
    )
    zero_data_retention = models.BooleanField(
        null=True, blank=True, help_text="Unknown: as the provider."
    )
    first_token_seconds = models.FloatField(
        null=True, blank=True, help_text="Own limit to the first token; empty: TTFT_S."
    )
    enabled = models.BooleanField(
        default=True, help_text="Off: new attempts stop within 2 s, in every allowlist."
    )

    reference = models.BooleanField(
        default=False,
        db_default=False,
        help_text="The author's own deployment: others should call tools about as often.",
    )

    class Meta:
        ordering = ["model__slug", "tag"]
        constraints = [
            models.UniqueConstraint(fields=["model", "tag"], name="providers_endpoint_one_tag"),
            models.UniqueConstraint(
                fields=["model"],
                condition=models.Q(reference=True),
                name="providers_endpoint_one_reference",
                violation_error_message="The model has a reference already: take it off there.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tag} · {self.model}"

    @property
    def tier(self) -> str:
        """The service tier, by the end of the tag; "" is the usual one, which needs no asking."""
        detail = self.tag.partition("/")[2]
        return detail if detail in TIERS else ""

    @property
    def names(self) -> frozenset[str]:
        """What callers call it, lower case; one of a tier goes by its tag alone."""
        if self.tier:
            return frozenset({self.tag})
        return frozenset({self.tag, self.provider.slug, self.provider.name.lower()})

    def clean(self) -> None:
        if self.provider_id and self.tag.split("/")[0] != self.provider.slug:
            raise ValidationError({"tag": f"Must start with {self.provider.slug}."})
        unknown = set(self.tool_choices) - set(TOOL_CHOICES)
        if unknown:
            raise ValidationError({"tool_choices": f"Unknown: {', '.join(sorted(unknown))}."})

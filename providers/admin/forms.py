"""Forms of the catalogue: prices per million tokens, lists as words, credentials write-only.

Owns how people type what the rows hold. The rule others rely on: no stored credential is ever
read here, so none can be rendered.
"""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator

from providers.admin.theme import Checkboxes, DecimalInput, PasswordInput, RadioInput, TextInput
from providers.models import TOOL_CHOICES, Credential, Endpoint, Model, Provider

_MILLION = Decimal(1_000_000)


class WordsField(forms.CharField):
    """A JSON list of names, typed as words with commas."""

    widget = TextInput

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        words = super().clean(value).replace(",", " ").split()
        return list(dict.fromkeys(words))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != self.clean(data or "")


class PriceField(forms.DecimalField):
    """A price, typed in dollars per `unit` tokens (or requests) and kept per one."""

    widget = DecimalInput

    def __init__(
        self, label: str, *, unit: Decimal = _MILLION, required: bool = True, help_text: str = ""
    ) -> None:
        super().__init__(
            label=label,
            required=required,
            help_text=help_text,
            max_digits=9,
            decimal_places=6,
            validators=[MinValueValidator(Decimal(0))],
        )
        self.unit = unit

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Decimal):
            return value
        return f"{(value * self.unit).normalize():f}" if value else "0"

    def clean(self, value: Any) -> Decimal | None:
        dollars = super().clean(value)
        return None if dollars is None else dollars / self.unit

    def has_changed(self, initial: Any, data: Any) -> bool:
        per_unit = initial * self.unit if isinstance(initial, Decimal) else initial
        return super().has_changed(per_unit, data)


class ModelForm(forms.ModelForm[Model]):
    input_modalities = WordsField(required=False, help_text="For example text, image.")
    output_modalities = WordsField(required=False, help_text="For example text.")

    class Meta:
        model = Model
        fields: list[str] = []  # the admin's fieldsets name them


class EndpointForm(forms.ModelForm[Endpoint]):
    price_prompt = PriceField("Prompt")
    price_completion = PriceField("Completion")
    price_cache_read = PriceField(
        "Cached prompt", required=False, help_text="Empty: as the prompt."
    )
    price_cache_write = PriceField("Cache write", required=False, help_text="Empty: as the prompt.")
    price_request = PriceField("Each request, $", unit=Decimal(1))
    supported_parameters = WordsField(
        required=False, help_text="For example tools, tool_choice, temperature, max_tokens."
    )
    tool_choices = forms.MultipleChoiceField(
        label="tool_choice values",
        choices=[(choice, choice) for choice in TOOL_CHOICES],
        widget=Checkboxes,
        required=False,
        help_text="None ticked: all four.",
    )

    class Meta:
        model = Endpoint
        fields: list[str] = []  # the admin's fieldsets name them


class CredentialForm(forms.ModelForm[Credential]):
    """Where the key comes from. A pasted key goes one way: in."""

    source = forms.ChoiceField(
        label="Read from",
        choices=[("environment", "An environment variable"), ("stored", "A key kept here, sealed")],
        widget=RadioInput,
        initial="environment",
    )
    new_key = forms.CharField(
        label="New key",
        required=False,
        strip=False,
        widget=PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Never shown again. Empty: the key that is stored stays.",
    )

    class Meta:
        model = Credential
        fields = ["api_key_env"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.sealed:
            self.initial["source"] = "stored"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("source") == "environment":
            if not cleaned.get("api_key_env") and not self.has_error("api_key_env"):
                self.add_error("api_key_env", "Name the variable, for example COBALT_API_KEY.")
        elif cleaned.get("new_key"):
            self._try_to_store(cleaned["new_key"])
        elif not self.instance.sealed:
            self.add_error("new_key", "Paste the provider's key.")
        return cleaned

    def _try_to_store(self, value: str) -> None:
        try:
            # Only to hear whether it is usable: the row it belongs to may not exist yet.
            Credential(provider=Provider(slug="trial")).store(value)
        except ValidationError as refusal:
            self.add_error("new_key", refusal)

    def save(self, commit: bool = True) -> Credential:
        if self.cleaned_data["source"] == "environment":
            self.instance.sealed = b""
        elif self.cleaned_data["new_key"]:
            self.instance.store(self.cleaned_data["new_key"])
        else:
            self.instance.api_key_env = ""
        return super().save(commit)

"""The form field for a variant, where an operator or a curator names one.

Owns that only variants that have pools are offered: a list or a policy of any other would decide
nothing, as no request asks for it.
"""

from django import forms

from providers.admin.theme import Select
from routing.gateway.slugs import POOL_VARIANTS


def variant_field() -> forms.ChoiceField:
    return forms.ChoiceField(choices=[(one, one) for one in POOL_VARIANTS], widget=Select)

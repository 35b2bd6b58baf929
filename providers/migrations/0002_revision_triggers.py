"""Raise the catalogue's revision with every change of its tables.

Locks: none beyond creating triggers. Undo: `migrate providers 0001` drops them.
"""

from django.db import migrations

from providers.triggers import raise_revision


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial")]

    operations = [
        raise_revision(
            "catalog",
            ["providers_provider", "providers_credential", "providers_model", "providers_endpoint"],
        ),
    ]

"""Raise the "catalog" revision with every change of presets and own credentials.

Locks: SHARE ROW EXCLUSIVE on the two new tables while their triggers are made. Undo: `migrate
routing 0018` drops them.
"""

from django.db import migrations

from providers.triggers import raise_revision


class Migration(migrations.Migration):
    dependencies = [("routing", "0018_presets_and_own_credentials")]

    operations = [raise_revision("catalog", ["routing_preset", "routing_owncredential"])]

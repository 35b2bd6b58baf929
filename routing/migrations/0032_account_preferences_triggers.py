"""Raise the "keys" revision with every change of preferences, which are read along with the keys.

Locks: SHARE ROW EXCLUSIVE on the new table while its triggers are made. Undo: `migrate routing
0031` drops them.
"""

from django.db import migrations

from providers.triggers import raise_revision


class Migration(migrations.Migration):
    dependencies = [("routing", "0031_account_preferences")]

    operations = [raise_revision("keys", ["routing_accountpreferences"])]

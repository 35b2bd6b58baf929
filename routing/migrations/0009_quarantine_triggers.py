"""Raise the "catalog" revision with every change of quarantines, so that routing knows at once.

Locks: SHARE ROW EXCLUSIVE on the new table while its triggers are made. Undo: `migrate routing
0020` drops them.
"""

from django.db import migrations

from providers.triggers import raise_revision


class Migration(migrations.Migration):
    dependencies = [("routing", "0008_policies_and_quarantines")]

    operations = [raise_revision("catalog", ["routing_quarantine"])]

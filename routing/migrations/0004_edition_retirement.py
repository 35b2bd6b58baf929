"""Keep with an edition who retired it and why.

Locks: ACCESS EXCLUSIVE on routing_allowlist while two empty columns are added: no rewrite; the
foreign key's check and index read the table, which has a row per edition. Undo: `migrate routing
0003` drops the columns and what they say.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0003_curators"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddColumn(
            "allowlist",
            "retired_by",
            models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        AddColumn("allowlist", "retired_reason", models.TextField(editable=False, null=True)),
    ]

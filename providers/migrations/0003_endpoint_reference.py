"""Let one endpoint of a model be its author's own, which the others are compared with.

Locks: providers_endpoint briefly, for a column with a constant default and an index of no rows:
no rewrite. Undo: `migrate providers 0002` drops the column.
"""

from django.db import migrations, models

from providers.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("providers", "0002_revision_triggers")]

    operations = [
        AddColumn(
            model_name="endpoint",
            name="reference",
            field=models.BooleanField(
                default=False,
                db_default=False,
                help_text="The author's own deployment: others should call tools about as often.",
            ),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reference", True)),
                fields=("model",),
                name="providers_endpoint_one_reference",
                violation_error_message="The model has a reference already: take it off there.",
            ),
        ),
    ]

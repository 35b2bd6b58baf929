"""Name the outcome of a reply that its provider refused to hand out.

Changes no table: only the names that Django knows. Locks: none. Undo: nothing to undo.
"""

from django.db import migrations, models


OUTCOMES = [
    ("ok", "answered"),
    ("http_5xx", "server error"),
    ("rate_limited", "rate limited"),
    ("auth", "our credential refused"),
    ("client_error", "request refused"),
    ("not_found", "not found"),
    ("timeout_connect", "no connection in time"),
    ("timeout_ttft", "no first token in time"),
    ("timeout_idle", "stalled"),
    ("timeout_total", "took too long"),
    ("connect_error", "refused connection"),
    ("disconnected", "connection lost"),
    ("truncated", "ended early"),
    ("malformed", "unreadable answer"),
    ("failed_generation", "reply refused by its provider"),
    ("client_cancelled", "caller left"),
    ("gateway_error", "our fault"),
    ("busy", "our limit reached"),
]


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0010_verifier")]

    operations = [
        migrations.AlterField(
            "attempt", "outcome", models.CharField(choices=OUTCOMES, max_length=20)
        ),
        migrations.AlterField(
            "probe", "outcome", models.CharField(blank=True, choices=OUTCOMES, max_length=20)
        ),
    ]

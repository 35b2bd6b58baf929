from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "telemetry"
    verbose_name = "What happened"
    default_auto_field = "django.db.models.BigAutoField"

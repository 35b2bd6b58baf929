from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Who serves a request"
    default_auto_field = "django.db.models.BigAutoField"

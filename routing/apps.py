from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Who serves a request"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Routing is last in INSTALLED_APPS: by then every app's permissions exist.
        post_migrate.connect(_keep_roles, sender=self, dispatch_uid="routing.roles")


def _keep_roles(using: str, **_: object) -> None:
    from routing import roles  # models cannot be imported while apps are being loaded

    roles.keep(using)

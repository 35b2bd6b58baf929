from providers.admin import catalogue

__all__ = ["catalogue"]

from routing.admin import access, allowlists, listed, owners, users

__all__ = ["access", "allowlists", "listed", "owners", "users"]

from routing.admin import access, allowlists, listed, owners, sessions, users

__all__ = ["access", "allowlists", "listed", "owners", "sessions", "users"]

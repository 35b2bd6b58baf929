"""The account page under /account/: what an API user sees and changes without writing a program.

Owns one file per page, its templates in `templates/pages/account/`, and the session that a pasted
key opens. The data, checks and deeds are `routing.api`'s, so that a page and the API cannot differ.
The rules others rely on: a page shows and does what the API would for the same key, and nothing
more; every change is a POST with Django's CSRF token; no prompt, completion or key is in a page,
but for the one answer that makes a key.
"""

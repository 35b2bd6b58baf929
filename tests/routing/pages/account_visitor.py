"""Who visits the account page in tests: a browser that signed in with a key through the form."""

from django.test import Client

ACCOUNT = "/account/"


def visitor(key: str) -> Client:
    """Return a browser that is signed in with this key."""
    client = Client()
    answer = client.post(ACCOUNT, {"key": key})
    assert answer.status_code == 302
    return client

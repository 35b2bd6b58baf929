"""Which endpoint served a session last, so that its next request goes there first.

Owns this process's memory of it, bounded by STICKY_SESSIONS and STICKY_S. It routes nothing: what
it remembers is looked for among the endpoints that may serve anyway. The rules others rely on: an
endpoint that failed a session is forgotten by it; two processes that remember nothing of a session
still draw the same order for it, because its seed is made from its name.
Source: openrouter-contract §2.4.
"""

import hashlib
import time
from collections.abc import Callable

Key = tuple[int, bytes, str]


class SessionBook:
    """The sessions that this process has served of late."""

    def __init__(
        self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        # The oldest first: a session that is served moves to the end.
        self._known: dict[Key, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def endpoint(self, account_id: int, session: str, model: str) -> int | None:
        """Return the id of the endpoint that served the session with this model last."""
        found = self._known.get(_key(account_id, session, model))
        return found[0] if found is not None and found[1] > self._clock() else None

    def keep(self, account_id: int, session: str, model: str, endpoint_id: int) -> None:
        key = _key(account_id, session, model)
        self._known.pop(key, None)
        while self._known and len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        if self._most:
            self._known[key] = endpoint_id, self._clock() + self._seconds

    def forget(self, account_id: int, session: str, model: str, endpoint_id: int) -> None:
        """Forget an endpoint that failed, unless another one has served since."""
        key = _key(account_id, session, model)
        if self._known.get(key, (None, 0.0))[0] == endpoint_id:
            del self._known[key]


def session_seed(account_id: int, session: str) -> int:
    """Return the seed of a session's plans, of 63 bits: the same in every process."""
    digest = _digest(f"{account_id}:{session}")
    return int.from_bytes(digest[:8], "big") >> 1


def _key(account_id: int, session: str, model: str) -> Key:
    return account_id, _digest(session), model


def _digest(text: str) -> bytes:
    # A JSON text may hold lone surrogates.
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()

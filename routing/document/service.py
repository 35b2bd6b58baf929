"""What is said of the process itself: whether it lives, whether it is ready, and this document.

The ASGI entry answers /healthz and /readyz itself, before any view. The views here stand for it,
as drf-spectacular describes views only; nothing ever calls them.
"""

from typing import Any, Literal

from msgspec import Struct
from rest_framework.views import APIView

from routing.api.document import DocumentView
from routing.document.operation import Answer, Operation

TAG = "Service"


class Alive(Struct):
    status: Literal["ok"]


class Facts(Struct):
    written: int
    dropped: int


class Judge(Struct):
    """Tool calls waiting for a verdict, and what became of all so far."""

    waiting: int
    judged: int
    overflow: int
    timeouts: int
    crashes: int
    restarts: int


class Process(Struct):
    pid: int
    snapshot: int


class Ready(Struct):
    """A `degraded` process serves; an operator should look at it."""

    status: Literal["ready", "degraded", "draining", "starting"]
    snapshot: int
    snapshot_age_s: float | None
    left_out: int
    in_flight: int
    facts: Facts
    sync_failures: int
    judge: Judge
    limits: str
    processes: list[Process]


class NotReady(Struct):
    """Once it has begun to start, a process also says what it knows, as when it is ready."""

    status: Literal["starting", "draining"]


class _Health(APIView):
    authentication_classes = []

    def get(self, request: Any) -> None:
        """Stand for the answer of the ASGI entry."""


class Healthz(_Health):
    pass


class Readyz(_Health):
    pass


ADDRESSES: dict[str, type[APIView]] = {"healthz": Healthz, "readyz": Readyz}
OPERATIONS = (
    Operation(
        view=Healthz,
        method="GET",
        id="getHealth",
        tag=TAG,
        summary="Say whether the process lives",
        answers=(Answer(Alive, "It does."),),
        guarded=False,
    ),
    Operation(
        view=Readyz,
        method="GET",
        id="getReadiness",
        tag=TAG,
        summary="Say whether the process serves, and what it knows",
        answers=(
            Answer(Ready, "It serves."),
            Answer(NotReady, "It does not serve: it starts or drains.", status=503),
        ),
        guarded=False,
    ),
    Operation(
        view=DocumentView,
        method="GET",
        id="getOpenApiDocument",
        tag=TAG,
        summary="Return this document",
        answers=(Answer(dict[str, Any], "The document."),),
        cacheable=True,
    ),
)

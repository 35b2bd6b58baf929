"""When every attempt has failed: the one error the caller gets.

Owns the table from upstream outcomes to the contract's status, type and availability
(reliability, error contract). It retries nothing. The rules others rely on: a caller never sees
an upstream's 401, 402 or 403, nor the raw text of a 5xx; a permanent fault is never a 5xx that
SDKs would repeat for an hour.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from providers.errors import ProviderError
from routing.errors import ApiError
from routing.gateway.admission import EndpointSpec
from routing.gateway.health import retry_after
from routing.gateway.model_request import ModelRequest
from routing.gateway.plan import rate_limited_everywhere
from routing.limits import Limits

if TYPE_CHECKING:
    from routing.gateway.attempt import Attempt

Failure = tuple[EndpointSpec, ProviderError]

_NO_ANSWER = frozenset(
    """http_5xx timeout_connect timeout_ttft timeout_idle timeout_total connect_error
    disconnected busy""".split()
)
# A provider says 400 to both; SDKs would repeat a 5xx for an hour.
_TOLD_AS_400 = frozenset(["client_error", "failed_generation"])


def all_failed(
    failures: Sequence[Failure], request: ModelRequest, limits: Limits, *, late: bool
) -> ApiError:
    """Return the error for these failed attempts; `late` if the request's deadline has passed."""
    endpoint, last = failures[-1]
    outcomes = {error.outcome for _, error in failures}
    if not last.retryable or outcomes <= _TOLD_AS_400:
        return _callers_fault(endpoint, last)
    if late:
        return ApiError(504, "No provider answered in time.", metadata=_metadata(failures))
    if outcomes == {"rate_limited"}:
        waits = [e.retry_after for _, e in failures if e.retry_after is not None]
        error = rate_limited_everywhere(min(waits, default=limits.cooldown_s), request, limits)
        error.metadata.update(_metadata(failures))
        return error
    if outcomes == {"not_found"}:
        return ApiError(
            404,
            "The providers do not know this model.",
            metadata=_metadata(failures),
            availability=_availability("model_unavailable_upstream", request, retryable=False),
        )
    if outcomes & _NO_ANSWER:
        return ApiError(
            503,
            "The providers cannot answer right now.",
            metadata=_metadata(failures),
            availability=_availability("temporarily_unavailable", request, retryable=True),
            headers={"Retry-After": str(_wait(failures, limits))},
        )
    if refused := [failure for failure in failures if not failure[1].retryable]:
        # The other models could not say either: repeating it would change nothing.
        return _callers_fault(*refused[-1])
    return ApiError(502, "Provider returned error", metadata=_metadata(failures))


def own_credential_refused(attempts: "Sequence[Attempt]") -> ApiError | None:
    """Return the error for an account whose own credential was refused wherever it was tried.

    It is theirs to mend, so it is told, and is no 5xx.
    """
    if not attempts or not all(one.own and one.outcome == "auth" for one in attempts):
        return None
    endpoint = attempts[-1].candidate.endpoint
    return ApiError(
        403,
        f"{endpoint.provider_name} refuses your account's own credential: renew it, or let"
        " requests fall back to the gateway's.",
        metadata={"provider_name": endpoint.provider_name, "is_byok": True},
    )


def in_band(endpoint: EndpointSpec, error: ProviderError) -> ApiError:
    """Return the error of a stream that broke after its first content."""
    timed_out = error.outcome.startswith("timeout")
    status = 429 if error.outcome == "rate_limited" else 504 if timed_out else 502
    message = "The provider stopped answering." if timed_out else "Provider returned error"
    metadata: dict[str, Any] = {"provider_name": endpoint.provider_name}
    if error.provider_code is not None:
        metadata["provider_code"] = str(error.provider_code)
    return ApiError(status, message, metadata=metadata)


def _callers_fault(endpoint: EndpointSpec, error: ProviderError) -> ApiError:
    status = error.status if error.status in (400, 413, 422) else 400
    metadata: dict[str, Any] = {"provider_name": endpoint.provider_name, "raw": error.message}
    if error.provider_code is not None:
        metadata["provider_code"] = str(error.provider_code)
    return ApiError(status, error.message, metadata=metadata)


def _metadata(failures: Sequence[Failure]) -> dict[str, Any]:
    endpoint, last = failures[-1]
    return {
        "provider_name": endpoint.provider_name,
        "raw": last.message,
        "previous_errors": [
            {"provider": e.provider_name, "code": error.outcome, "status": error.status}
            for e, error in failures
        ],
    }


def _availability(code: str, request: ModelRequest, *, retryable: bool) -> dict[str, Any]:
    return {
        "code": code,
        "retryable": retryable,
        "requested_models": [ref.requested for ref in request.refs],
    }


def _wait(failures: Sequence[Failure], limits: Limits) -> int:
    waits = [error.retry_after for _, error in failures if error.retry_after is not None]
    return retry_after(min(waits, default=limits.cooldown_s), limits)

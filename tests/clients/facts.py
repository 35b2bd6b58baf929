"""What the gateway recorded of a client's request."""

from tests.live import LiveGateway

POOL_TAGS = {"cobalt/fp8", "larkspur/fp8", "meridian/bf16"}
POOL_NAMES = {"Cobalt Inference", "Larkspur AI", "Meridian Compute"}


def served_by(gateway: LiveGateway, generation: str) -> str:
    """Return the tag of the endpoint that served it."""
    gateway.ingest()
    [row] = gateway.rows(
        "SELECT tag FROM telemetry_generation AS done"
        " JOIN providers_endpoint AS used ON used.id = done.endpoint_id WHERE done.id = %s",
        generation,
    )
    tag: str = row["tag"]
    return tag

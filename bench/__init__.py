"""CPU, memory and latency of the gateway beside LiteLLM and nginx, over one mock upstream."""

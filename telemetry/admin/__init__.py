from telemetry.admin import attempts, counts, generations

__all__ = ["attempts", "counts", "generations"]

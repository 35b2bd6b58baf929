from telemetry.admin import attempts, benchmarks, counts, generations

__all__ = ["attempts", "benchmarks", "counts", "generations"]

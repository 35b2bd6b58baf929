from telemetry.admin import attempts, benchmarks, counts, feedback, generations

__all__ = ["attempts", "benchmarks", "counts", "feedback", "generations"]

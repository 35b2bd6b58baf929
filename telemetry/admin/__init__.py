from telemetry.admin import attempts, benchmarks, counts, feedback, generations, verifier

__all__ = ["attempts", "benchmarks", "counts", "feedback", "generations", "verifier"]

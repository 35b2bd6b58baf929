"""Simulated worlds that know the truth, and how well each way of choosing a pool finds it."""

import os

# Before numpy is imported: runs share the cores among themselves, so one needs one thread only.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

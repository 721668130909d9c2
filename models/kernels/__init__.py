"""The warm core compiled for CPUs: see `models.kernels.draw`."""

"""Linear steps of planes in one pass: NumPy makes three, each with a plane of its own."""

from __future__ import annotations

import numpy as np

from models.kernels.compiled import compiled
from models.types import FloatArray

F = np.float32


@compiled
def ramped(values: FloatArray, start: float, by: float) -> FloatArray:
    """(n,) (values - start) / by, held between 0 and 1; values float32."""
    result = np.empty(values.shape[0], np.float32)
    begin, length = F(start), F(by)
    for i in range(values.shape[0]):
        result[i] = min(max((values[i] - begin) / length, F(0)), F(1))
    return result

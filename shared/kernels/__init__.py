"""Forward and backward passes, losses and the optimiser in NumPy and numba, with the same bits in both frameworks.

All arrays are float32 and C-contiguous, in the neutral orientation. Every function gives the same bits for the same
arrays, whatever the number of threads: what is added up, and in which order, depends on shapes alone. Numbers grow
beyond float32 without a warning, as in the frameworks: training stops where its loss is not finite.
"""

import warnings

warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"shared\.kernels\.")

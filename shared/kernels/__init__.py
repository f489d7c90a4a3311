"""Forward and backward passes, losses and the optimiser in NumPy and numba, with the same bits in both frameworks.

All arrays are float32 and C-contiguous, in the neutral orientation. Every function gives the same bits for the same
arrays, whatever the number of threads: what is added up, and in which order, depends on shapes alone.
"""

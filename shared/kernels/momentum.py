"""SGD with momentum and weight decay."""

import numpy as np

from shared.kernels.products import do_all, parts

# of a part, which a second-level cache holds
_PARAMETERS = 2**18


def update(
    parameter: np.ndarray,
    gradient: np.ndarray,
    velocity: np.ndarray,
    learning_rate: float,
    momentum: float,
    decay: float,
) -> None:
    """In place: velocity = momentum*velocity + (decay*parameter + gradient); parameter -= learning_rate*velocity.

    C-contiguous float32 arrays of one shape. The coefficients are rounded to float32 first, and so is the result of
    each of the six operations. ValueError for other arrays, and where the first or the last is read-only.
    """
    from shared.kernels import loops

    arrays = (parameter, gradient, velocity)
    if any(a.dtype != np.float32 or a.shape != parameter.shape or not a.flags.c_contiguous for a in arrays):
        raise ValueError("expected three C-contiguous float32 arrays of one shape")
    if not (parameter.flags.writeable and velocity.flags.writeable):
        raise ValueError("expected a parameter and a velocity that can be written in place, received a read-only array")
    flat = [array.reshape(-1) for array in arrays]
    coefficients = [np.float32(value) for value in (learning_rate, momentum, decay)]

    def of(place: slice) -> None:
        loops.update(*(array[place] for array in flat), *coefficients)

    do_all(of, parts(parameter.size, _PARAMETERS))

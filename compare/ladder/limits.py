"""How far two numbers may lie apart where nothing more accurate says it: one table, set from measured runs.

The limits for float32 are not in it: they are derived from float64 results (``compare.ladder.accuracy``).
"""

from typing import NamedTuple


class Limit(NamedTuple):
    """Largest allowed difference relative to the tensor's largest magnitude, and the reason for it."""

    value: float
    reason: str


LIMITS = {
    "exact": Limit(0.0, "integers, copies and shared NumPy code have no rounding"),
    "forward float64": Limit(
        1e-12,
        "sums of up to 9,216 products in another order; nothing is more accurate; measured up to 5.3e-15",
    ),
    "loss float64": Limit(1e-12, "as the forward pass, which the losses summarise; measured up to 2.2e-16"),
    "gradient float64": Limit(1e-12, "float64 rounding through the whole network; measured up to 7.5e-15"),
    "closed form": Limit(1e-12, "float64 rounding of a formula of ten operations; measured up to 2.3e-16"),
    "finite differences": Limit(
        1e-5,
        "step 1e-7: cancellation about 1e-7, and kinks of ReLU and max-pool within the step; measured up to 6.3e-8, "
        "in the published network up to 1.3e-6",
    ),
    "optimiser float64": Limit(
        1e-12, "a last-place unit a step, fused multiply-add or not, coefficients rounded alike; measured up to 5.6e-16"
    ),
    "trajectory float64": Limit(1e-12, "200 steps across a rate drop in float64; measured up to 1.4e-14"),
}

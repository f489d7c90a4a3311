"""How far two numbers may lie apart on each rung, and why: one table, set from measured runs."""

from typing import NamedTuple


class Limit(NamedTuple):
    """Largest allowed difference relative to the tensor's largest magnitude, and the reason for it."""

    value: float
    reason: str


LIMITS = {
    "exact": Limit(0.0, "integers, copies and shared NumPy code have no rounding"),
    "forward float32": Limit(1e-5, "sums of up to 9,216 float32 products in another order; measured up to 3e-6"),
    "forward float64": Limit(1e-12, "the same in float64; measured up to 3e-15"),
    "loss float32": Limit(1e-5, "as the forward pass, which the losses summarise; measured up to 2e-7"),
    "loss float64": Limit(1e-12, "as the forward pass; measured up to 1e-15"),
    "gradient float32": Limit(1e-4, "images without a flipped decision; measured up to 3e-6, less a decade for depth"),
    "gradient float64": Limit(1e-12, "float64 rounding through the whole network; measured up to 2e-15"),
    "closed form": Limit(1e-12, "float64 rounding of a formula of ten operations; measured up to 1e-15"),
    "finite differences": Limit(1e-6, "step 1e-6 in float64: truncation about 1e-9, cancellation about 1e-9 of scale"),
    "optimiser float32": Limit(1e-6, "one unit in the last place a step where a multiply-add is fused or not"),
    "optimiser float64": Limit(1e-12, "the same in float64, with the coefficients rounded to float32 on both sides"),
    "trajectory float64": Limit(1e-12, "200 steps across a rate drop in float64; measured up to 5e-15"),
    "code margin": Limit(1e-5, "a bit may differ only where the feature is nearer to 0 than the forward difference"),
}

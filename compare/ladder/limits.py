"""How far two numbers may lie apart on each rung, and why: one table, set from measured runs."""

from typing import NamedTuple


class Limit(NamedTuple):
    """Largest allowed difference relative to the tensor's largest magnitude, and the reason for it."""

    value: float
    reason: str


LIMITS = {
    "exact": Limit(0.0, "integers, copies and shared NumPy code have no rounding"),
    "forward float32": Limit(1e-5, "sums of up to 9,216 float32 products in another order; measured up to 1.7e-6"),
    "forward float64": Limit(1e-12, "the same in float64; measured up to 5.3e-15"),
    "loss float32": Limit(1e-5, "as the forward pass, which the losses summarise; measured up to 6.6e-7"),
    "loss float64": Limit(1e-12, "as the forward pass; measured up to 2.2e-16"),
    "gradient float32": Limit(3e-5, "images without a flipped decision; measured up to 2.7e-6 at full width"),
    "gradient float64": Limit(1e-12, "float64 rounding through the whole network; measured up to 7.5e-15"),
    "closed form": Limit(1e-12, "float64 rounding of a formula of ten operations; measured up to 2.3e-16"),
    "finite differences": Limit(
        1e-6, "step 1e-6: truncation about 1e-12, cancellation about 1e-8; measured up to 9e-8"
    ),
    "optimiser float32": Limit(1e-6, "a last-place unit a step, fused multiply-add or not; measured up to 3.8e-7"),
    "optimiser float64": Limit(1e-12, "the same in float64, coefficients rounded alike; measured up to 5.6e-16"),
    "trajectory float64": Limit(1e-12, "200 steps across a rate drop in float64; measured up to 1.4e-14"),
    "exported": Limit(1e-5, "as the forward pass: another engine's order of summation; measured up to 1.9e-6"),
    "code margin": Limit(1e-5, "a bit may differ only where the feature is nearer to 0 than the forward difference"),
}

"""How a framework calculates: the precision and determinism both are pinned to, before either is imported."""

import os
from dataclasses import dataclass

from shared.system.errors import UserError

PRECISIONS = ("fp32", "tf32", "bf16")
_PRECISION, _DETERMINISTIC = "GREEDYHASH_PRECISION", "GREEDYHASH_DETERMINISTIC"


@dataclass(frozen=True)
class Arithmetic:
    """``precision``: fp32, tf32 (matrix products of float32 in ten bits of mantissa) or bf16 (autocast).

    ``deterministic``: only operations that give the same bits again, where the framework has them.
    """

    precision: str = "fp32"
    deterministic: bool = False

    @classmethod
    def of_process(cls) -> "Arithmetic":
        """What ``pin`` chose in this process or in the one that started it."""
        return cls(os.environ.get(_PRECISION, "fp32"), bool(os.environ.get(_DETERMINISTIC)))

    @property
    def tf32(self) -> bool:
        return self.precision == "tf32"

    @property
    def bf16(self) -> bool:
        return self.precision == "bf16"

    def pin(self) -> None:
        """Choose for this process, by variables that the libraries below the frameworks read once.

        Call it before a framework is imported. NVIDIA_TF32_OVERRIDE holds in forward and backward, whatever a
        framework's own switches say.
        """
        os.environ |= {_PRECISION: self.precision, "NVIDIA_TF32_OVERRIDE": "1" if self.tf32 else "0"}
        os.environ[_DETERMINISTIC] = "1" if self.deterministic else ""
        if self.deterministic:
            os.environ |= {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "FLAGS_cudnn_deterministic": "1"}

    def check(self, device: str) -> None:
        """UserError for a precision the device does not have in both frameworks."""
        if device == "cpu" and self.precision != "fp32":
            raise UserError(
                f"precision {self.precision}: expected a GPU; on a CPU there is no TF32, and Paddle leaves out bf16 "
                "without a word. Use fp32"
            )

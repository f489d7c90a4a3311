"""Faults of code that the alignment ladder injects on this side, to show that it detects them."""

import torch
from torch.nn import functional as F

from shared.kernels import convolution, products
from torch_impl import export, images, model, optimizer


def inject(name: str) -> None:
    """Inject the fault ``name`` into this process from now on."""
    {
        "no-straight-through": _no_straight_through,
        "decay-after-momentum": _decay_after_momentum,
        "coupled-decay": _coupled_decay,
        "native-resize": _native_resize,
        "left-out-layer": _left_out_layer,
        "exported-resize": _exported_resize,
        "summation-order": _summation_order,
    }[name]()


def _no_straight_through() -> None:
    model.SignStraightThrough.backward = staticmethod(lambda _, gradient: torch.zeros_like(gradient))


def _decay_after_momentum() -> None:
    class Decoupled(torch.optim.SGD):
        def step(self) -> None:
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.data.mul_(1 - group["lr"] * group["weight_decay"])
            decays = [group["weight_decay"] for group in self.param_groups]
            for group in self.param_groups:
                group["weight_decay"] = 0.0
            super().step()
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay

    optimizer.torch.optim.SGD = Decoupled


def _coupled_decay() -> None:
    optimizer.torch.optim.AdamW = torch.optim.Adam


def _left_out_layer() -> None:
    class WithoutFc6(torch.optim.SGD):
        def step(self) -> None:
            fc6 = self.param_groups[0]["params"][10:12]
            before = [parameter.detach().clone() for parameter in fc6]
            super().step()
            for parameter, value in zip(fc6, before, strict=True):
                parameter.data.copy_(value)

    optimizer.torch.optim.SGD = WithoutFc6


def _native_resize() -> None:
    def upsampled(self, index: torch.Tensor) -> torch.Tensor:
        x = self._pixels.index_select(0, index).to(torch.float64)
        size = (self._rows.shape[0], self._columns.shape[1])
        return F.interpolate(x, size, mode="bilinear", align_corners=False)

    images.DeviceImages.upsampled = upsampled


def _exported_resize() -> None:
    def upsampled(self, images: torch.Tensor) -> torch.Tensor:
        size = (self.rows.shape[0], self.columns.shape[1])
        return F.interpolate(images.permute(0, 3, 1, 2).to(torch.float32), size, mode="bilinear", align_corners=False)

    export.FromImages.upsampled = upsampled


def _summation_order() -> None:
    convolution.in_order = lambda work, parts: list(products.in_order(work, parts))[::-1]

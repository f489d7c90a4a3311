"""The network and its preprocessing as one file, for ONNX engines and for PyTorch without this project."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from shared.codes.predictions import Outputs
from shared.config.kernels import NATIVE
from shared.config.recipe import Recipe
from shared.data import pixels
from shared.worker.contract import Model
from shared.worker.exported import INPUT, ONNX, ONNX_FILE, needs
from torch_impl import convert

_FILE = "model.pt2"


class FromImages(nn.Module):
    """uint8 images (N, height, width, 3) in, the four ``Outputs`` out."""

    def __init__(self, recipe: Recipe, arrays: dict[str, np.ndarray], size: tuple[int, int]) -> None:
        super().__init__()
        # a model that needs nothing of this project
        self.network = convert.from_neutral(dataclasses.replace(recipe, kernels=NATIVE), arrays, "cpu")
        tables = {
            "columns": pixels.matrix(size[1], recipe.input_px).T,
            "rows": pixels.matrix(size[0], recipe.input_px),
            "scale": pixels.SCALE.reshape(3, 1, 1),
            "shift": pixels.SHIFT.reshape(3, 1, 1),
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Hash logits, code, probability and label."""
        x = self.upsampled(images).to(torch.float32)
        hash_logits, _, logits = self.network(x * self.scale + self.shift)
        return hash_logits, (hash_logits > 0).to(torch.uint8), torch.softmax(logits, 1), torch.argmax(logits, 1)

    def upsampled(self, images: Tensor) -> Tensor:
        """Whole numbers 0..255, float64 (N, 3, input_px, input_px): the sums are exact, as in ``DeviceImages``."""
        x = images.to(torch.float64).permute(0, 3, 1, 2)
        x = torch.floor(torch.matmul(x, self.columns) + 0.5)
        return torch.floor(torch.matmul(self.rows, x) + 0.5)


@torch.no_grad()
def write(form: str, recipe: Recipe, arrays: dict[str, np.ndarray], size: tuple[int, int], folder: Path) -> None:
    """Write ``model.onnx`` or ``model.pt2`` into ``folder``, for any number of images at once.

    Raises MissingPackage for ONNX where it is not installed.
    """
    if form == ONNX:
        needs("onnx", "onnxscript")
    model = FromImages(recipe, arrays, size).eval()
    example = torch.zeros((2, *size, 3), dtype=torch.uint8)
    program = torch.export.export(model, (example,), dynamic_shapes={INPUT: {0: torch.export.Dim("N")}})
    if form == ONNX:
        names = {"input_names": [INPUT], "output_names": list(Outputs._fields)}
        torch.onnx.export(program, (), dynamo=True, verbose=False, **names).save(folder / ONNX_FILE)
    else:
        torch.export.save(program, folder / _FILE)


def open_model(folder: Path) -> Model:
    """The exported program in ``folder``, on the CPU."""
    module = torch.export.load(folder / _FILE).module()

    @torch.inference_mode()
    def run(images: np.ndarray) -> Outputs:
        return Outputs(*(output.numpy() for output in module(torch.from_numpy(images))))

    return run

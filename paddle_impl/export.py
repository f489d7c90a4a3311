"""The network and its preprocessing as one model, for Paddle Inference without this project."""

import dataclasses
from pathlib import Path

import numpy as np

from paddle_impl import convert
from paddle_impl.runtime import paddle
from shared.codes.predictions import Outputs
from shared.config.kernels import NATIVE
from shared.config.recipe import Recipe
from shared.data import pixels
from shared.system.machine import num_threads
from shared.worker.contract import Model
from shared.worker.exported import INPUT

Tensor, nn, F = paddle.Tensor, paddle.nn, paddle.nn.functional
_FILE = "model"  # and .json, before Paddle 3 .pdmodel, for the program, .pdiparams for the weights


class FromImages(nn.Layer):
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
            self.register_buffer(name, paddle.to_tensor(np.ascontiguousarray(table)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Hash logits, code, probability and label."""
        x = self.upsampled(images).astype("float32")
        hash_logits, _, logits = self.network(x * self.scale + self.shift)
        return hash_logits, (hash_logits > 0).astype("uint8"), F.softmax(logits, 1), paddle.argmax(logits, 1)

    def upsampled(self, images: Tensor) -> Tensor:
        """Whole numbers 0..255, float64 (N, 3, input_px, input_px): the sums are exact, as in ``DeviceImages``."""
        # products, because Paddle's interpolate fails under oneDNN (its issues 77340 and 79749)
        x = paddle.transpose(images.astype("float64"), [0, 3, 1, 2])
        x = paddle.floor(paddle.matmul(x, self.columns) + 0.5)
        return paddle.floor(paddle.matmul(self.rows, x) + 0.5)


def write(form: str, recipe: Recipe, arrays: dict[str, np.ndarray], size: tuple[int, int], folder: Path) -> None:
    """Write program and weights into ``folder``, for any number of images at once; ``form`` can only be Paddle's."""
    model = FromImages(recipe, arrays, size)
    model.eval()
    images = paddle.static.InputSpec([None, *size, 3], "uint8", name=INPUT)
    paddle.jit.save(model, str(folder / _FILE), input_spec=[images])


def open_model(folder: Path) -> Model:
    """The exported model in ``folder`` in Paddle Inference, on the CPU with oneDNN."""
    program = next(file for file in (folder / f"{_FILE}.json", folder / f"{_FILE}.pdmodel") if file.exists())
    config = paddle.inference.Config(str(program), str(folder / f"{_FILE}.pdiparams"))
    config.disable_gpu()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(num_threads())
    config.disable_glog_info()
    predictor = paddle.inference.create_predictor(config)

    def run(images: np.ndarray) -> Outputs:
        predictor.get_input_handle(INPUT).copy_from_cpu(np.ascontiguousarray(images))
        predictor.run()
        return Outputs(*(predictor.get_output_handle(n).copy_to_cpu() for n in predictor.get_output_names()))

    return run

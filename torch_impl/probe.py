"""This framework's side of the alignment ladder; arrays go in and come out in the neutral form."""

import numpy as np
import torch

from shared.checkpoint.moments import no_moments
from shared.config.recipe import Recipe
from shared.data.cifar import Dataset
from shared.network.alexnet import parameters
from shared.worker.contract import Arrays, Masks
from shared.worker.exported import run_exported
from torch_impl import convert, export
from torch_impl.images import DeviceImages
from torch_impl.model import GreedyHash, SignStraightThrough, losses
from torch_impl.optimizer import learning_rate_of, make_optimizer, set_learning_rate


class Side:
    """Network and optimiser of a recipe in one dtype on one device."""

    def __init__(self, recipe: Recipe, dtype: str, device: str) -> None:
        self._recipe, self._device = recipe, device
        self._network = GreedyHash(recipe).to(device, getattr(torch, dtype))
        self._optimizer = make_optimizer(recipe, self._network)

    def load(self, state: Arrays, momentum: Arrays | None) -> None:
        """Set weights and momentum; None is no momentum yet."""
        convert.load_neutral(self._recipe, self._network, state)
        still = no_moments(self._recipe, self.weights())
        convert.momentum_from_neutral(self._recipe, self._network, self._optimizer, momentum or still)

    def weights(self) -> Arrays:
        """Neutral weights."""
        return convert.to_neutral(self._recipe, self._network)

    def momentum(self) -> Arrays:
        """What the optimiser remembers (shared/checkpoint/moments.py)."""
        return convert.momentum_to_neutral(self._recipe, self._network, self._optimizer)

    def pixels(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upsampled integers and normalised float32 pixels of uint8 images (N, H, W, 3)."""
        dataset = Dataset("custom", images, np.zeros(len(images), np.int64))
        on_device = DeviceImages(dataset, self._recipe.input_px, self._device)
        index = torch.arange(len(images), device=self._device)
        return on_device.upsampled(index).cpu().numpy(), on_device.normalised(index).cpu().numpy()

    @torch.no_grad()
    def forward(self, pixels: np.ndarray, masks: Masks, training: bool) -> Arrays:
        """Output of every stage, of the sign and of the classifier."""
        self._network.train(training)
        x, outputs = self._put(pixels), {}
        for name, stage in self._network.stages(self._put_masks(masks)):
            outputs[name] = x = stage(x)
        outputs["sign"] = SignStraightThrough.apply(x)
        outputs["classifier"] = self._network.classifier(outputs["sign"])
        return {name: output.cpu().numpy() for name, output in outputs.items()}

    @torch.no_grad()
    def stage(self, name: str, x: np.ndarray, masks: Masks) -> np.ndarray:
        """Output of one stage for a given input."""
        self._network.train()
        stages = dict(self._network.stages(self._put_masks(masks)))
        stages |= {"sign": SignStraightThrough.apply, "classifier": self._network.classifier}
        return stages[name](self._put(x)).cpu().numpy()

    def backward(self, pixels: np.ndarray, labels: np.ndarray, masks: Masks) -> Arrays:
        """Hash logits, losses, and gradients of every parameter, of the hash logits and of the pixels."""
        self._network.train()
        self._network.zero_grad()
        x = self._put(pixels).requires_grad_()
        output = self._network(x, self._put_masks(masks))
        output.hash_logits.retain_grad()
        terms = losses(output, self._put(labels), self._recipe)
        terms.loss.backward()
        names = dict(self._network.named_parameters())
        results = {f"gradient.{p.name}": names[p.name].grad for p in parameters(self._recipe)}
        hash_logits = output.hash_logits
        results |= {"gradient.feature": hash_logits.grad, "gradient.pixels": x.grad, "feature": hash_logits}
        results |= terms._asdict() | {"logits": output.logits}
        return {name: value.detach().cpu().numpy().copy() for name, value in results.items()}

    def step(self, learning_rate: float, gradients: Arrays | None = None) -> float:
        """One optimiser step with the last or the given gradients; the learning rate read back."""
        names = dict(self._network.named_parameters())
        for name, gradient in (gradients or {}).items():
            names[name].grad = self._put(gradient)
        set_learning_rate(self._optimizer, learning_rate)
        self._optimizer.step()
        return learning_rate_of(self._optimizer)

    def set_learning_rate(self, learning_rate: float) -> float:
        """Set the learning rate and read it back."""
        set_learning_rate(self._optimizer, learning_rate)
        return learning_rate_of(self._optimizer)

    def exported(self, images: np.ndarray) -> Arrays:
        """What exported models of the network make of uint8 images (N, H, W, 3), each in its own engine."""
        return run_exported(export, "torch_impl", self._recipe, self.weights(), images)

    def _put(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _put_masks(self, masks: Masks) -> tuple[torch.Tensor, torch.Tensor] | None:
        return masks and tuple(map(self._put, masks))

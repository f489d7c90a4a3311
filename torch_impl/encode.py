"""From images to hash logits and predicted classes."""

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from shared.codes.encoding import encode_in_batches
from shared.codes.finite import Reach, may_overflow
from shared.system.machine import is_tuned
from shared.system.progress import Progress
from torch_impl.images import DeviceImages
from torch_impl.model import GreedyHash, SignStraightThrough
from torch_impl.runtime import autocast

# normalised pixels (B, 3, H, W) -> hash logits (B, bits) and logits (B, classes)
Encoder = Callable[[Tensor], tuple[Tensor, Tensor]]


def encode_images(
    network: GreedyHash, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Hash logits float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,).

    Where numbers grow beyond float32 an image's hash logits are NaN, and its class is ``NO_CLASS``.
    """
    was_training = network.training
    network.eval()
    encoded = encode_with(make_encoder(network), images, index, progress)
    network.train(was_training)
    return encoded


@torch.inference_mode()
def encode_with(
    encoder: Encoder, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """``encode_images`` by an encoder made before."""

    def encode_parts(index: np.ndarray, parts: Sequence[slice]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for pixels, _ in images.inputs(index, parts):
            with autocast(images.device.type):
                hash_logits, logits = encoder(pixels)
            yield hash_logits.float().cpu().numpy(), logits.float().cpu().numpy()

    return encode_in_batches(encode_parts, index, progress, _ran_out_of_memory)


@torch.inference_mode()
def make_encoder(network: GreedyHash) -> Encoder:
    """The fastest way through the network, which is in evaluation mode, on its device, that detects an overflow."""
    if may_overflow(map(_reach, network.children())):
        return _checked(network)
    return _channels_last_encoder(network) if _has_fast_inference(network) else _layer_by_layer(network)


def _has_fast_inference(network: GreedyHash) -> bool:
    return is_tuned() and network.hash.weight.device.type == "cpu" and not network.shared


def _layer_by_layer(network: GreedyHash) -> Encoder:
    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        output = network(pixels)
        return output.hash_logits, output.logits

    return encode


def _reach(layer: nn.Module) -> Reach:
    bias = 0.0 if layer.bias is None else layer.bias.abs().max().item()
    return Reach(layer.weight.abs().flatten(1).sum(1).max().item(), bias)


def _checked(network: GreedyHash) -> Encoder:
    """Layer by layer; an image for which any layer gives a number that is not finite has hash logits of NaN."""

    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        x, overflow = pixels, torch.zeros(len(pixels), 1, device=pixels.device)
        for _, stage in network.stages():
            x = stage(x)
            finite = torch.isfinite(x).flatten(1).all(dim=1, keepdim=True)
            overflow = torch.where(finite, overflow, torch.nan)
        return x + overflow, network.classifier(SignStraightThrough.apply(x)) + overflow

    return encode


def _channels_last_encoder(network: GreedyHash) -> Encoder:
    """A copy of the network with its numbers in the order in which oneDNN's convolutions are fastest on a CPU.

    Its hash logits differ from the network's by the rounding of another order of summation. Measured at 224 px and full
    width: 1.2 times the speed layer by layer. Weights packed by torch.utils.mkldnn gave 1.3, but that needs
    TorchScript, which PyTorch deprecates; torch.compile and optimize_for_inference gave no more than this.
    """
    encode = _layer_by_layer(copy.deepcopy(network).to(memory_format=torch.channels_last))
    return lambda pixels: encode(pixels.to(memory_format=torch.channels_last))


def _ran_out_of_memory(error: Exception) -> bool:
    # on a CPU the allocator's message says so; oneDNN's names only what it could not create
    texts = ("can't allocate memory", "could not create")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in texts)

"""The process's devices: what they are, and products on them by which they prove that they compute."""

from paddle.nn import functional as F

from paddle_impl.runtime import autocast, has_gpu, paddle
from shared.worker.contract import Arrays


def cards() -> list[dict]:
    """``name``, compute ``capability`` and ``bytes`` of memory of each GPU that can be used."""
    return [_describe(number) for number in range(paddle.device.cuda.device_count() if has_gpu() else 0)]


def _describe(number: int) -> dict:
    card = paddle.device.cuda.get_device_properties(number)
    return {"name": card.name, "capability": f"{card.major}.{card.minor}", "bytes": card.total_memory}


def code() -> list[str] | None:
    """The architectures that this build has code for, such as "sm_86"; None where it does not say."""
    return None if paddle.is_compiled_with_cuda() else []


def cudnn() -> int | None:
    """The version of the cuDNN that was found, such as 91900; None where there is none."""
    return paddle.get_cudnn_version() if has_gpu() else None


def products(arrays: Arrays, device: str) -> tuple[Arrays, str]:
    """A convolution, a matrix product and their gradients, and where they were computed, "cpu" or "cuda"."""
    was = paddle.get_device()
    paddle.set_device("gpu" if device == "cuda" else "cpu")
    try:
        put = {name: paddle.to_tensor(array) for name, array in arrays.items()}
        factors = [put[name] for name in ("pixels", "weights", "left", "right")]
        for factor in factors:
            factor.stop_gradient = False
        pixels, weights, left, right = factors
        with autocast(device):
            results = [F.conv2d(pixels, weights, padding=1), paddle.matmul(left, right)]
        ahead = [put["at convolution"].astype(results[0].dtype), put["at product"].astype(results[1].dtype)]
        gradients = paddle.grad(results, factors, ahead)
        names = ("convolution", "product", "pixels", "weights", "left", "right")
        outputs = dict(zip(names, [*results, *gradients], strict=True))
        place = "cuda" if results[0].place.is_gpu_place() else "cpu"
        return {name: value.detach().astype("float64").numpy() for name, value in outputs.items()}, place
    finally:
        paddle.set_device(was)

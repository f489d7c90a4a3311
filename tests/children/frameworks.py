"""Both implementations under one set of names, for programs that take the framework as an argument."""

from types import SimpleNamespace


def load(framework: str) -> SimpleNamespace:
    """The modules of one implementation, ``tensor`` to make its tensors and ``retain`` to keep a gradient."""
    if framework == "torch":
        from torch_impl import convert, images, model
        from torch_impl.runtime import configure, torch

        configure()
        tensor, retain = torch.tensor, torch.Tensor.retain_grad
    else:
        from paddle_impl import convert, images, model
        from paddle_impl.runtime import configure, paddle

        configure()
        tensor, retain = paddle.to_tensor, paddle.Tensor.retain_grads
    return SimpleNamespace(
        convert=convert, model=model, device_images=images.DeviceImages, tensor=tensor, retain=retain
    )

"""``python -m torch_impl VERB``: train, encode, eval and info; the same options as ``python -m paddle_impl``."""

from shared.worker_cli import Implementation, run_worker


def load() -> Implementation:
    """Import the framework and return what the verbs need of it."""
    from torch_impl import convert, encode, images, lit, runtime

    runtime.configure()
    return Implementation(runtime, lit.fit, convert.from_neutral, images.DeviceImages, encode.encode_images)


if __name__ == "__main__":
    run_worker("torch_impl", "PyTorch Lightning", load)

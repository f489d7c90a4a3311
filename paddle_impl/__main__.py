"""``python -m paddle_impl VERB``: train, encode, eval and info; the same options as ``python -m torch_impl``."""

from shared.worker_cli import Implementation, run_worker


def load() -> Implementation:
    """Import the framework and return what the verbs need of it."""
    from paddle_impl import convert, encode, images, runtime, train

    runtime.configure()
    return Implementation(runtime, train.fit, convert.from_neutral, images.DeviceImages, encode.encode_images)


if __name__ == "__main__":
    run_worker("paddle_impl", "PaddlePaddle", load)

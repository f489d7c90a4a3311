"""``python -m torch_impl.torchvision_weights OUT``: torchvision's ImageNet AlexNet as a neutral weights file.

Downloads on first use into PyTorch's cache; torchvision checks the hash.
"""

import sys
from pathlib import Path
from urllib.error import URLError

from shared.checkpoint import weights
from shared.system.errors import UserError, exit_status


def fetch(path: Path) -> None:
    """Write the weights under torchvision's names; UserError without a network or torchvision."""
    try:
        from torchvision.models import AlexNet_Weights

        state = AlexNet_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (ImportError, URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"cannot get torchvision's AlexNet weights ({error}). Without a network use --backbone-weights FILE "
            "with a copy you have or --backbone-weights none; --preset demo needs none"
        ) from error
    weights.save(path, {name: tensor.numpy() for name, tensor in state.items()}, {"source": "IMAGENET1K_V1"})


if __name__ == "__main__":
    sys.exit(exit_status(lambda: fetch(Path(sys.argv[1]))))

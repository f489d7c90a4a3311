"""fake_alexnet OUT: a state dict like torchvision's ImageNet AlexNet, with random weights, where the hub keeps it."""

import sys
from pathlib import Path

import torch
from torchvision.models import alexnet

target = Path(sys.argv[1])
target.parent.mkdir(parents=True)
torch.manual_seed(0)
torch.save(alexnet(weights=None).state_dict(), target)

"""torch_checkpoints NEUTRAL OUT: files as PyTorch itself writes them, in forms that the project does not write."""

import sys
from pathlib import Path

import torch

from shared.checkpoint import read_checkpoint
from shared.names import spelled

source, out = read_checkpoint(Path(sys.argv[1])), Path(sys.argv[2])
tensors = {name: torch.from_numpy(array) for name, array in source.weights.items()}
state = {spelled("greedyhash")[name]: tensor for name, tensor in tensors.items()}
torch.save(state, out / "legacy.pkl", _use_new_zipfile_serialization=False)
torch.save({f"module.{name}": tensor for name, tensor in state.items()}, out / "parallel.pth")
torch.save({"epoch": 7, "net": state, "optimizer": {"state": {}, "param_groups": []}}, out / "nested.pt")
torch.save({"net": state, "ema": state}, out / "two.pt")
# one storage for everything, and views of it in other memory orders
flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
views, begin = {}, 0
for name, tensor in tensors.items():
    view = flat[begin : begin + tensor.numel()].view(tensor.shape)
    views[name], begin = view, begin + tensor.numel()
views["conv2.weight"] = tensors["conv2.weight"].to(memory_format=torch.channels_last)
views["fc7.weight"] = torch.nn.Parameter(tensors["fc7.weight"].t().contiguous().t())
torch.save(views, out / "views.pt")
torch.save(views, out / "legacy_views.pt", _use_new_zipfile_serialization=False)
torch.save({name: tensor.bfloat16() for name, tensor in tensors.items()}, out / "bfloat16.pt")
torch.save({name: tensor.double() for name, tensor in tensors.items()}, out / "double.pt")
torch.save(torch.nn.Linear(2, 2), out / "module.pt")
for name in sys.argv[3:]:  # what the project wrote, read by PyTorch as a user would
    read = torch.load(name, weights_only=True)
    assert all(torch.equal(read[key], tensor) for key, tensor in tensors.items())

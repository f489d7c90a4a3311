"""torch_checkpoints NEUTRAL OUT TORCH LIGHTNING DEEPHASH: files as PyTorch itself writes them, in forms not ours.

TORCH and LIGHTNING are the project's own files, DEEPHASH one for DeepHash-pytorch: loaded as strictly as there.
"""

import argparse
import datetime
import functools
import pickle
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from shared.checkpoint.checkpoint import read_checkpoint
from shared.checkpoint.names import TORCHVISION, parameter_names

source, out = read_checkpoint(Path(sys.argv[1])), Path(sys.argv[2])
tensors = {name: torch.from_numpy(array) for name, array in source.weights.items()}
state = {parameter_names("greedyhash")[name]: tensor for name, tensor in tensors.items()}
deephash = {parameter_names("deephash")[name]: tensor for name, tensor in tensors.items()}
lightning = {f"network.{name}": tensor for name, tensor in tensors.items()}


class KindOfDict(dict):
    pass


def save(value, name, **options):
    torch.save(value, out / name, **options)


def containers():
    save(state, "legacy.pkl", _use_new_zipfile_serialization=False)
    save(state, "legacy4.pt", _use_new_zipfile_serialization=False, pickle_protocol=4)
    save([state, 7], "listed.pt")
    save({"net": KindOfDict(state)}, "kind_of_dict.pt")
    save({f"module.{name}": tensor for name, tensor in state.items()}, "parallel.pth")
    save({f"module._orig_mod.{name}": tensor for name, tensor in state.items()}, "compiled.pth")
    save({f"a.b.c.d.e.{name}": tensor for name, tensor in tensors.items()}, "deep.pth")
    save({"epoch": 7, "net": state, "optimizer": {"state": {}, "param_groups": []}}, "nested.pt")
    save({"epoch": 7, "model": {"state_dict": state, "lr": 0.1}}, "deeper.pt")
    save({**state, "epoch": 7}, "flat.pt")
    save({"net": state, "ema": {name: tensor * 2 for name, tensor in state.items()}}, "two.pt")
    head = {"fc.weight": deephash["fc.weight"]}
    save({"net": {n: t for n, t in deephash.items() if n not in head}, "criterion": head}, "criterion.pt")
    beside = {"args": argparse.Namespace(bit=12), "when": datetime.datetime(2024, 1, 1), "best": np.float64(0.81)}
    beside |= {"curve": np.zeros(3), "bits": {12, 24}, "path": out, "device": torch.device("cpu"), "net": state}
    beside |= {"make": functools.partial(torch.optim.SGD, lr=0.1), "kind": torch.optim.SGD, "size": torch.Size([1])}
    save(beside, "beside.pt")
    save(beside, "beside_legacy.pt", _use_new_zipfile_serialization=False)


def backbones():
    layers = {layer: name for name, layer in TORCHVISION.items()}
    alexnet = {
        f"{layers[layer]}.{what}": tensor
        for name, tensor in tensors.items()
        for layer, what in [name.split(".")]
        if layer in layers
    }
    save(
        alexnet | {"classifier.6.weight": torch.zeros(1000, 64), "classifier.6.bias": torch.zeros(1000)}, "alexnet.pth"
    )
    save({"arch": "alexnet", "state_dict": {f"module.{n}": t for n, t in alexnet.items()}}, "alexnet_parallel.pth")
    save({n: t for n, t in alexnet.items() if n.startswith("features")}, "alexnet_features.pth")


def views():
    """One storage for everything, and views of it in other memory orders."""
    flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
    found, begin = {}, 0
    for name, tensor in tensors.items():
        view = flat[begin : begin + tensor.numel()].view(tensor.shape)
        found[name], begin = view, begin + tensor.numel()
    found["conv2.weight"] = tensors["conv2.weight"].to(memory_format=torch.channels_last)
    found["fc7.weight"] = torch.nn.Parameter(tensors["fc7.weight"].t().contiguous().t())
    found["hash.bias"].note = "an attribute"
    save(found, "views.pt")
    save(found, "legacy_views.pt", _use_new_zipfile_serialization=False)


def types():
    for name in ("bfloat16", "float16", "float64"):
        save({key: tensor.to(getattr(torch, name)) for key, tensor in tensors.items()}, f"{name}.pt")
    save({**tensors, "hash.bias": torch.tensor([1 / 3] * 12, dtype=torch.float64)}, "finer.pt")
    save({**tensors, "hash.bias": torch.ones(12, dtype=torch.int8)}, "int8.pt")
    save({**tensors, "classifier.weight": tensors["classifier.weight"].to(torch.float8_e4m3fn)}, "float8.pt")
    quantized = torch.quantize_per_tensor(tensors["classifier.weight"], 0.1, 0, torch.qint8)
    save({**tensors, "classifier.weight": quantized}, "quantized.pt")
    save({**tensors, "classifier.weight": tensors["classifier.weight"].to_sparse()}, "sparse.pt")
    save({**tensors, "classifier.weight": tensors["classifier.weight"].to("meta")}, "meta.pt")


class Part(nn.Module):
    def __init__(self, names):
        super().__init__()
        for layer in dict.fromkeys(name.split(".")[0] for name in names):
            within = {n.partition(".")[2]: t for n, t in names.items() if n.split(".")[0] == layer}
            if "" in within:
                self.register_parameter(layer, nn.Parameter(within[""]))
            else:
                self.add_module(layer, Part(within))

    def forward(self, x):
        return x


def modules():
    module = Part(state)
    save(module, "module.pt")
    save(nn.DataParallel(module), "parallel_module.pt")
    torch.jit.script(module).save(out / "script.pt")
    torch.export.save(torch.export.export(nn.Identity(), (torch.zeros(1),)), out / "exported.pt2")
    with (out / "plain.pkl").open("wb") as file:
        pickle.dump(state, file)


def lightning_files():
    def file(name, optimizers, epoch=1, **more):
        fit = {"epoch_progress": {"current": {"processed": epoch}}}
        save({"state_dict": lightning, "optimizer_states": optimizers, "loops": {"fit_loop": fit}, **more}, name)

    def stepped(make):
        parameters = {name: nn.Parameter(tensor.clone()) for name, tensor in lightning.items()}
        for k, parameter in enumerate(parameters.values()):
            parameter.grad = torch.full_like(parameter, k)
        optimizer = make(parameters)
        optimizer.step()
        return optimizer.state_dict()

    def sgd(parameters, **options):
        return torch.optim.SGD(parameters, 1e-3, **{"momentum": 0.9, **options})

    names = list(lightning)
    swapped = [*names]
    i, j = names.index("network.fc6.bias"), names.index("network.fc7.bias")
    swapped[i], swapped[j] = swapped[j], swapped[i]
    for name, make in {
        "named": lambda p: sgd(p.items()),
        "swapped": lambda p: sgd([(n, p[n]) for n in swapped]),
        "shorter": lambda p: sgd([(n.removeprefix("network."), p[n]) for n in reversed(names)]),
        "unnamed": lambda p: sgd(p.values()),
        "frozen": lambda p: sgd(list(p.items())[2:]),
        "frozen_unnamed": lambda p: sgd(list(p.values())[2:]),
        "groups": lambda p: sgd([{"params": list(p.values())[:4]}, {"params": list(p.values())[4:]}]),
        "plain": lambda p: sgd(p.items(), momentum=0),
        "adam": lambda p: torch.optim.Adam(p.items()),
        "misnamed": lambda p: sgd([(f"x{k}", q) for k, q in enumerate(p.values())]),
    }.items():
        file(f"{name}.ckpt", [stepped(make)])
    two = stepped(lambda p: sgd(p.items()))
    file("two_optimizers.ckpt", [two, two])
    no_rate = stepped(lambda p: sgd(p.items()))
    no_rate["param_groups"][0]["lr"] = float("nan")
    file("no_rate.ckpt", [no_rate])
    file("untouched.ckpt", [sgd([(n, nn.Parameter(t)) for n, t in lightning.items()]).state_dict()])
    file("functions.ckpt", [two], hyper_parameters={"schedule": functools.partial(max, 1)}, current_model_state=state)
    ours = torch.load(sys.argv[4], weights_only=True)
    del ours["optimizer_states"][0]["param_groups"][0]["param_names"]
    save(ours, "ours_before_names.ckpt")
    trained = {key: value for key, value in ours.items() if key != "greedyhash"}
    save(trained, "ours_trained.ckpt")
    reordered = OrderedDict(sorted(ours["state_dict"].items()))
    save({**ours, "state_dict": reordered}, "ours_reordered.ckpt")
    trained["optimizer_states"][0]["param_groups"][0].update(momentum=0.9, weight_decay=5e-4)
    save(trained, "ours_by_no_mark.ckpt")


def load_as_users_do():
    read = torch.load(sys.argv[3], weights_only=True)
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())

    def layers(names):
        return [int(n.split(".")[1]) for n in names if n.endswith("weight")]

    expected = {n: t for n, t in deephash.items() if n != "fc.weight"}
    network = nn.Module()
    for part in ("features", "hash_layer"):
        within = {n: t for n, t in expected.items() if n.startswith(part)}
        stack = [nn.ReLU() for _ in range(max(layers(within)) + 1)]
        for place in layers(within):
            weight = within[f"{part}.{place}.weight"]
            sides = weight.shape[1], weight.shape[0]
            stack[place] = nn.Linear(*sides) if weight.dim() == 2 else nn.Conv2d(*sides, weight.shape[2])
        network.add_module(part, nn.Sequential(*stack))
    network.load_state_dict(torch.load(sys.argv[5], weights_only=True), strict=True)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in expected.items())


containers()
backbones()
views()
types()
modules()
lightning_files()
load_as_users_do()

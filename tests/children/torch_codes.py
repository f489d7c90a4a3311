"""Writes codes and labels as people save them from PyTorch; arguments: a .npz with q, ql, d and dl, a folder."""

import sys
from pathlib import Path

import numpy as np
import torch

arrays, out = np.load(sys.argv[1]), Path(sys.argv[2])
q, ql, d, dl = (torch.from_numpy(arrays[name]) for name in ("q", "ql", "d", "dl"))
torch.save({"codes": q, "labels": ql}, out / "q.pt")
torch.save({"codes": q.half(), "labels": ql.tolist(), "names": ["a", "b"]}, out / "half.pth")
torch.save({"codes": q.bfloat16(), "labels": ql.int(), "net": torch.nn.Linear(2, 2)}, out / "bfloat16.pt")
torch.save({"codes": q, "labels": ql}, out / "legacy.pt", _use_new_zipfile_serialization=False)
torch.save({"query": {"codes": q, "labels": ql}, "database": {"codes": d, "labels": dl}}, out / "both.pt")
torch.save(q, out / "test_codes.pt")
torch.save(ql, out / "test_labels.pt")
torch.save([q, ql], out / "list.pt")
torch.save({"codes": arrays["q"], "labels": arrays["ql"]}, out / "numpy.pt")
torch.save(torch.nn.Linear(2, 2).state_dict(), out / "model.pt")
torch.save(torch.nn.Linear(2, 2), out / "module.pt")
torch.save({"codes": q.to_sparse(), "labels": ql}, out / "sparse.pt")
torch.save({"codes": q, "labels": [str(label) for label in ql.tolist()]}, out / "text.pt")
deep = {"codes": q, "labels": ql}
for _ in range(200):
    deep = {"a": deep}
torch.save(deep, out / "deep.pt")

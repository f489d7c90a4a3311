"""torchmetrics_map IN TOPK: the mAP that torchmetrics' RetrievalMAP gives the scores and relevance in IN, as JSON."""

import json
import sys

import numpy as np
import torch
from torchmetrics.retrieval import RetrievalMAP

with np.load(sys.argv[1]) as file:
    scores, relevant = torch.from_numpy(file["scores"]).float(), torch.from_numpy(file["relevant"])
query = torch.arange(len(scores))[:, None].expand_as(scores)
arguments = [array.flatten() for array in (scores, relevant, query)]
metrics = {"all": RetrievalMAP(), "topk": RetrievalMAP(top_k=int(sys.argv[2]))}
print(json.dumps({name: metric(*arguments[:2], indexes=arguments[2]).item() for name, metric in metrics.items()}))

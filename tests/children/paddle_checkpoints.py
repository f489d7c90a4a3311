"""paddle_checkpoints RECIPE PREFIX OUT: Paddle loads PREFIX.pdparams and .pdopt, takes one step and saves OUT.*.

The gradients are zero and there is no weight decay, so the step multiplies every velocity by 0.9 and moves nothing
at rate 0.
"""

import sys
from pathlib import Path

from paddle_impl.model import GreedyHash
from paddle_impl.runtime import configure, paddle
from shared.config.recipe import read_recipe

configure()
recipe, prefix, out = read_recipe(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
network = GreedyHash(recipe)
missing, unexpected = network.set_state_dict(paddle.load(f"{prefix}.pdparams"))
assert not missing
assert not unexpected
schedule = paddle.optimizer.lr.StepDecay(1.0, step_size=30)
optimizer = paddle.optimizer.Momentum(schedule, 0.9, parameters=network.parameters())
optimizer.set_state_dict(paddle.load(f"{prefix}.pdopt"))
print(schedule.last_epoch, optimizer.get_lr())
schedule.last_lr = 0.0
for parameter in network.parameters():
    (parameter.sum() * 0).backward()
optimizer.step()
paddle.save(network.state_dict(), f"{out}.pdparams")
paddle.save(optimizer.state_dict(), f"{out}.pdopt")

"""paddle_program OUT CANARY: a program in Paddle's older form that writes CANARY when it is run."""

import os
import sys
from pathlib import Path

os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112 - Paddle's own name

from paddle_impl.runtime import paddle

folder, canary = Path(sys.argv[1]), sys.argv[2]
paddle.enable_static()
begin = paddle.static.Program()
with paddle.static.program_guard(paddle.static.Program(), begin):
    images = paddle.static.data("images", [None, 8, 8, 3], "uint8")
    answer = paddle.static.nn.fc(paddle.flatten(images.astype("float32"), 1), 3)
    executor = paddle.static.Executor(paddle.CPUPlace())
    executor.run(begin)
    paddle.static.save_inference_model(str(folder / "model"), [images], [answer], executor)
program, _, [fetched] = paddle.static.load_inference_model(str(folder / "model"), executor)
block = program.global_block()
where = {"file_path": canary, "overwrite": True}
block._insert_op(len(block.ops) - 1, type="save", inputs={"X": [block.var(fetched.name)]}, outputs={}, attrs=where)
(folder / "model.pdmodel").write_bytes(program.desc.serialize_to_string())

"""paddle_flags: what Paddle's runtime does with flags that it has, lacks or reads back otherwise, as a JSON object."""

import json
import os

from paddle_impl import flags, runtime
from shared.config.arithmetic import Arithmetic
from shared.system.errors import UserError

COMPATIBLE, DETERMINISTIC = "FLAGS_use_accuracy_compatible_kernel", "FLAGS_cudnn_deterministic"


class Build:
    """Flags of a build of Paddle; ``stuck`` ones keep their value."""

    def __init__(self, values, stuck=()):
        self.values, self.stuck = dict(values), stuck
        runtime.paddle.get_flags, runtime.paddle.set_flags = self.get, self.set

    def get(self, name):
        if name not in self.values:
            raise ValueError(f"Flag {name} cannot get its value through this function.")
        return {name: self.values[name]}

    def set(self, wanted):
        assert wanted.keys() <= self.values.keys()
        self.values |= {name: value for name, value in wanted.items() if name not in self.stuck}


def outcome(device, arithmetic):
    arithmetic.pin()
    flags.configure()
    try:
        flags.check(device)
    except UserError as error:
        return str(error)
    return flags.in_force()


found = {}
os.environ[COMPATIBLE] = "1"
found["of this build, asked for"] = outcome("cpu", Arithmetic())
found["recorded"] = runtime.environment("cpu")["precision"]
os.environ[COMPATIBLE] = "0"
found["of this build, not asked for"] = outcome("cpu", Arithmetic())
of_a_gpu = {"FLAGS_cudnn_deterministic": False, "FLAGS_cudnn_allow_tf32": True, "FLAGS_cublas_allow_tf32": False}
Build(of_a_gpu | {COMPATIBLE: False})
found["fp32"] = outcome("cuda", Arithmetic())
found["tf32, deterministic"] = outcome("cuda", Arithmetic("tf32", deterministic=True))
Build(of_a_gpu, stuck=["FLAGS_cudnn_allow_tf32"])
found["stuck"] = outcome("cuda", Arithmetic())
del os.environ[DETERMINISTIC]
Build({})
found["old"] = outcome("cuda", Arithmetic())
found["old, deterministic on a CPU"] = outcome("cpu", Arithmetic(deterministic=True))
found["old, deterministic"] = outcome("cuda", Arithmetic(deterministic=True))
del os.environ[DETERMINISTIC]
os.environ[COMPATIBLE] = "true"
found["old, compatible"] = outcome("cpu", Arithmetic())
print(json.dumps(found))

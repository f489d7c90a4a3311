"""torch_writer: what ``torch_impl.checkpoint_writer`` does, for one line of JSON arguments after the other."""

import json
import sys

from torch_impl.checkpoint_writer import main

for line in sys.stdin:
    main(json.loads(line))
    print("written", flush=True)

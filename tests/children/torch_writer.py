"""torch_writer: what ``python -m torch_impl.files`` does, for one line of JSON arguments after the other."""

import json
import sys

from torch_impl.files import main

for line in sys.stdin:
    main(json.loads(line))
    print("written", flush=True)

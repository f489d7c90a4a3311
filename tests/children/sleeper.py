"""sleeper: says that it is there and sleeps, in the place of a worker's module."""

import os
import sys
import time

print(os.getpid(), file=sys.stderr, flush=True)
print("{}", flush=True)
time.sleep(60)

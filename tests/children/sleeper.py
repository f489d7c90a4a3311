"""sleeper: says that it is there, leaves a file in $SLEEPERS named by its number, and sleeps as a busy worker does."""

import os
import time
from pathlib import Path

print("{}", flush=True)
(Path(os.environ["SLEEPERS"]) / str(os.getpid())).touch()
time.sleep(60)

"""paths WORDS: prints where modules are looked for, and the words."""

import os
import sys

print(os.pathsep.join(sys.path))
print(*sys.argv[1:])

"""Where commands and workers come in: modules are found in this clone, installed or not, before anything is imported.

``python shared/system/entry.py MODULE ...`` runs MODULE as ``python -m MODULE ...`` does. That looks first into the
folder one stands in, where a torch.py or random.py may lie that is not the library. Workers are started so, whatever
their Python: only since 3.11 it has an option for it. A command imports this module, then has itself ended in order, as
it may have temporary folders; a worker may hang in the library of its ranks.
"""

import sys
from os.path import dirname, realpath

_ROOT = dirname(dirname(dirname(realpath(__file__))))
# without the folder of the file that was started, where a module could have a library's name
_OWN = {_ROOT, f"{_ROOT}/compare", f"{_ROOT}/shared/system"}
sys.path[:] = [_ROOT, *(entry for entry in sys.path if realpath(entry) not in _OWN)]

from shared.system.start import begin, end_in_order  # noqa: E402, F401 - only now it is found; commands call the other

begin()
if __name__ == "__main__":
    import runpy

    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

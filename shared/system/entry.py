"""Where commands and workers come in: modules are found in this clone, installed or not, before anything is imported.

``python shared/system/entry.py MODULE ...`` runs MODULE as ``python -m MODULE ...`` does, but does not look into the
current folder, where a torch.py or random.py may lie that is not the library. All workers start this way: only since
3.11 Python has an option for it. A command imports this module and then ends in order on a signal, since it may have
temporary folders; a worker does not, since it may hang in the library of its ranks.
"""

import sys
from os.path import dirname, realpath

_ROOT = dirname(dirname(dirname(realpath(__file__))))
# without the folder of the file that was started, where a module could have a library's name
_PROJECT_FOLDERS = {_ROOT, f"{_ROOT}/compare", f"{_ROOT}/shared/system"}
sys.path[:] = [_ROOT, *(entry for entry in sys.path if realpath(entry) not in _PROJECT_FOLDERS)]

from shared.system.start import begin, end_in_order  # noqa: E402, F401 - only now it is found; commands call the other

begin()
if __name__ == "__main__":
    import runpy

    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

"""forked FRAMEWORK: runs the worker's command in each line of stdin, a JSON list, in a fork that has the imports done.

Answers with its status, output and errors, as a line of JSON, after a first one when the imports are done. Importing a
framework is most of a short command.
"""

import importlib
import json
import os
import sys
import tempfile

LIBRARIES = {"torch": ("torch", "torch_impl.probe", "torch_impl.export"), "paddle": ("paddle", "paddle_impl.probe")}

framework = sys.argv[1]
for library in LIBRARIES[framework]:
    importlib.import_module(library)
main = importlib.import_module(f"{framework}_impl.__main__")
cli = importlib.import_module("shared.worker.cli")

print("{}", flush=True)
for line in sys.stdin:
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            sys.argv = [f"{framework}_impl", *json.loads(line)]
            cli.run_worker(f"{framework}_impl", framework, main.load)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [file.seek(0) or file.read() for file in (output, errors)]
    print(json.dumps({"status": status, "output": texts[0], "errors": texts[1]}), flush=True)

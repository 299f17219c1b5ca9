"""Processes that never outlive their parent, whatever ends it: they watch their standard input, a pipe that it holds.

python -m pilotlight.local.leash MODULE [ARGUMENT…]     runs a module as `python -m` does, on the leash
"""

import os
import runpy
import sys
import threading


def hold() -> None:
    """End this process at the end of its standard input. Returns at once."""
    threading.Thread(target=_exit_at_end_of_input, name="leash", daemon=True).start()


def _exit_at_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    hold()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

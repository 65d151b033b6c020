# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a test program ends."""

import os
import sys
import traceback


def exit_after(function, *arguments):
    """Ends the process with what became of the call. Threads that are still in a call of a peer, or
    in the interpreter, are not waited for."""
    code = 0
    try:
        function(*arguments)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(code)

"""The initialiser of worker processes: one thread per process, and an end together with the parent.

It imports no numerical library, as these read the number of threads when they are loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def prepare_worker() -> None:
    """Initialises a spawned process of a pool.

    Processes with several threads each would slow one another down on few cores. Without the thread that waits for the
    parent, the processes would go on running after a parent that was killed.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()

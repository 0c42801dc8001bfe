"""What a worker process does before anything else: it keeps to one thread, and ends with its parent.

No library is imported here, as libraries read the number of their threads when they are loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def prepare_worker() -> None:
    """Initialises a spawned process of a pool.

    Processes with several threads each collapse on few cores instead of sharing them; and a pool whose parent is killed
    would leave its processes behind.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()

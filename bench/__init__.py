"""Studies that write the pages in this folder, and the cases of ``dspcore bench`` for pytest."""

from __future__ import annotations

import os

# Peers bring an OpenMP and thread pools of their own, which torch's setting does not reach; they
# read these when they are loaded.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"

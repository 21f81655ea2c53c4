"""``python -m dspcore.cli`` is ``dspcore``."""

from __future__ import annotations

from dspcore.cli import main

if __name__ == "__main__":
    main(prog_name="dspcore")

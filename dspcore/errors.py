"""Errors that a person can act on, the nearest known word, and when values may be checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something the user gave cannot be used; the command line shows the text alone."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for an unknown word, or the known words when none of them is near."""
    words = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, words, n=3, cutoff=0.6)
    if not close:
        close = [w for w in words if word and (w.startswith(word) or word in w)][:3]
    if close:
        return f"did you mean {' or '.join(repr(w) for w in close)}?"
    return f"known: {', '.join(words) or 'none'}"


def checking_values() -> bool:
    """Whether values may be looked at: not while compiling, tracing or under functorch."""
    import torch  # here, so that a plug-in's process, which needs the errors above, starts quickly

    return not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
    )

"""Some weights of one model for another, with a list of what was taken and what was not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from dspcore.errors import UserError
from dspcore.train.checkpoint import Checkpoint


@dataclass(frozen=True)
class Loaded:
    """What became of every tensor.

    Attributes:
        taken: Names in the module that have the file's values now.
        kept: Names in the module that the file has not; they are as they were.
        unlike: Names that both have, in other shapes; as they were, too.
        unused: Names in the file that the module has not.
    """

    taken: list[str]
    kept: list[str]
    unlike: list[str]
    unused: list[str]

    def __str__(self) -> str:
        said = [
            f"{len(self.taken)} of {len(self.taken) + len(self.kept) + len(self.unlike)} loaded"
        ]
        for word, names in (
            ("not in the file", self.kept), ("of another shape", self.unlike),
            ("in the file alone", self.unused),
        ):  # fmt: skip
            if names:
                more = ", ..." if len(names) > 4 else ""
                said.append(f"{len(names)} {word} ({', '.join(names[:4])}{more})")
        return "; ".join(said)


def load_matching(
    module: nn.Module, path: str | Path, *, under: str = "", into: str = ""
) -> Loaded:
    """Give a module those weights of a file that fit it by name and shape.

    Args:
        module: Any.
        path: A checkpoint of a run, or any safetensors file that dspcore wrote.
        under: What names in the file begin with, and is cut ("model/model/encoder.").
        into: What names in the module begin with, and is put there instead ("encoder.").

    Returns:
        What was taken and what was not: show it, as weights that were not loaded look like any.

    Raises:
        UserError: Nothing fits.
    """
    file = Checkpoint.load(Path(path))
    given = {
        into + name.removeprefix(under): value
        for name, value in file.tensors.items()
        if name.startswith(under)
    }
    own = {name: value for name, value in module.state_dict().items() if name.startswith(into)}
    both = sorted(own.keys() & given.keys())
    found = Loaded(
        [name for name in both if own[name].shape == given[name].shape],
        sorted(own.keys() - given.keys()),
        [name for name in both if own[name].shape != given[name].shape],
        sorted(given.keys() - own.keys()),
    )
    if not found.taken:
        raise UserError(f"{path}: none of its weights fits: {found}")
    module.load_state_dict({name: given[name] for name in found.taken}, strict=False)
    return found

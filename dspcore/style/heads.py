"""What was learnt, on the disk: a file for each effect and encoder, refused for any other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dspcore.errors import UserError
from dspcore.style.controller import Controller, make_controller
from dspcore.style.encoders import Encoder, load_encoder
from dspcore.style.rendering import AnyEffect, facts, name_of_folder, slug, title
from dspcore.train import Checkpoint

_VERSION = 1


def save_head(
    controller: Controller,
    folder: str | os.PathLike[str],
    scores: Mapping[str, Any] | None = None,
) -> Path:
    """Write what a controller has learnt to ``folder/<effect>/<controller>-<encoder>.safetensors``.

    The encoder lies beside, in ``folder/encoders``, once for all heads.

    Args:
        controller: Prepared.
        folder: Of all heads.
        scores: Of an evaluation, to be kept with it.

    Returns:
        The file.
    """
    module = controller.module()
    if module is None:
        raise UserError(f"style: the controller {controller.name!r} has nothing to keep")
    place = Path(folder)
    digest = ""
    if controller.encoder is not None:
        digest = controller.encoder.digest()
        home = place / "encoders" / f"{digest}.safetensors"
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            controller.encoder.save(home)
    state = {
        "head": _VERSION,
        "controller": controller.name,
        "encoder": digest,
        "facts": facts(controller.effect),
        "kept": controller.kept(),
        "seconds": controller.seconds,
        "scores": dict(scores or {}),
    }
    target = place / slug(controller.effect) / _file_name(controller.name, digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    Checkpoint(dict(module.state_dict()), state).save(target)
    return target


def load_head(
    folder: str | os.PathLike[str],
    effect: AnyEffect,
    controller: str = "regress",
    encoder: Encoder | None = None,
) -> Controller:
    """A controller as it was when `save_head` wrote it.

    Args:
        folder: Of all heads, or the head's file.
        effect: What it is to set; the same, in the same version, at the same sample rate.
        controller: Its name.
        encoder: What it hears through; the one that was kept beside it by default.

    Raises:
        UserError: There is none for this effect, or it was made for another encoder, another
            version of the effect, or another sample rate.
    """
    path = _found(Path(folder), effect, controller, encoder)
    file = Checkpoint.load(path)
    state = file.state
    if state.get("head") != _VERSION:
        raise UserError(f"{path}: is no head of this version of dspcore; train it again")
    _check_effect(path, state["facts"], facts(effect))
    if state["encoder"]:
        if encoder is None:
            home = path.parent.parent / "encoders" / f"{state['encoder']}.safetensors"
            if not home.exists():
                raise UserError(f"{path}: its encoder is missing, wanted {home}")
            encoder = load_encoder(home)
        if encoder.digest() != state["encoder"]:
            raise UserError(
                f"{path}: was made with the encoder {state['encoder']}, got {encoder.digest()}; "
                "use that one, or train the head again"
            )
    made = make_controller(state["controller"])
    made.prepare(effect, encoder=encoder)
    made.restore(effect, encoder, state["kept"])
    module = made.module()
    if module is None:
        raise UserError(f"{path}: the controller {state['controller']!r} keeps nothing any more")
    module.load_state_dict(file.tensors)
    module.eval()
    made.seconds = float(state["seconds"])
    return made


def head_rate(
    folder: str | os.PathLike[str], effect: str, controller: str = "regress"
) -> int | None:
    """The sample rate in Hz a head for an effect, by its title, was trained at; or None."""
    place = Path(folder) / name_of_folder(effect)
    found = sorted(place.glob(f"{controller.replace('+', '_')}-*.safetensors"))
    return int(Checkpoint.load(found[-1]).state["facts"]["sample_rate"]) if found else None


def _found(folder: Path, effect: AnyEffect, controller: str, encoder: Encoder | None) -> Path:
    if folder.is_file():
        return folder
    place = folder / slug(effect)
    start = controller.replace("+", "_")
    if encoder is not None and (exact := place / _file_name(controller, encoder.digest())).exists():
        return exact
    there = sorted(place.glob(f"{start}-*.safetensors"), key=lambda p: p.stat().st_mtime)
    if not there:
        known = sorted(str(p.relative_to(folder)) for p in folder.glob("*/*-*.safetensors"))
        said = f"there are {', '.join(known[:8])}" if known else "there are none"
        raise UserError(
            f"{folder}: no head of {controller!r} for {title(effect)}; {said}. "
            f"Make one: dspcore style train --effect {title(effect)} --data FOLDER --out {folder}"
        )
    return there[-1]


def _file_name(controller: str, digest: str) -> str:
    return f"{controller.replace('+', '_')}-{digest or 'plain'}.safetensors"


def _check_effect(path: Path, wanted: Mapping[str, Any], got: Mapping[str, Any]) -> None:
    if wanted == got:
        return
    if wanted["effect"] != got["effect"]:
        raise UserError(f"{path}: is for {wanted['effect']}, got {got['effect']}")
    if wanted["sample_rate"] != got["sample_rate"]:
        raise UserError(
            f"{path}: was trained at {wanted['sample_rate']} Hz, the effect runs at "
            f"{got['sample_rate']} Hz; load the effect at {wanted['sample_rate']} Hz"
        )
    if wanted["params"] != got["params"] or wanted["choices"] != got["choices"]:
        names = {**wanted["params"], **wanted["choices"]}
        now = {**got["params"], **got["choices"]}
        other = [n for n in {**names, **now} if names.get(n) != now.get(n)]
        raise UserError(
            f"{path}: is for another version of {wanted['effect']}: {', '.join(sorted(other))} "
            "differ; train it again, or choose the same words"
        )
    raise UserError(
        f"{path}: is for another build of {wanted['effect']} (its files have other sizes); "
        "train it again, or install the version it was trained with"
    )

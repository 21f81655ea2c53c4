"""What is descended on in each phase of a run."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dspcore import train
from dspcore.latent.discriminator import feature_matching, hinge_discriminator, hinge_generator
from dspcore.latent.divergence import LN2, frame_mean, free_bits
from dspcore.latent.run import LatentRun


class Losses:
    """The losses of a run; each leaves out what is not its turn, and batches that are not finite.

    Args:
        run: Its machine says whose turn it is.
    """

    def __init__(self, run: LatentRun) -> None:
        self.run, self.config = run, run.config
        self.last_bad: tuple[Any, bool] = (None, False)

    def phases(self) -> list[train.Phase]:
        """With the parameters that each moves, and their optimisers."""
        return [
            train.Phase(self.represent, "represent", ["model.*"]),
            train.Phase(
                self.judge, "discriminator", ["discriminator.*"], self.config.discriminator
            ),
            train.Phase(self.generate, "generator", ["model.decoder.*"]),
        ]

    def represent(self, models: Any, batch: dict[str, Tensor], step: int) -> Any:
        """Distance and weighted divergence, while all of the autoencoder learns."""
        run = self.run
        if run.machine.phase != "represent" or self.bad(batch, step):
            return None
        found, coded = run.model(batch["audio"], batch["length"])
        parts = self.distances(found, batch)
        beta = run.beta(step)
        loss = parts["distance"]
        logged = {"beta": loss.new_tensor(beta)}
        if coded.kl is not None:
            mask = run.model.frame_mask(batch["length"], coded.kl.shape[-1])
            limit = self.config.free_bits
            form: Any = limit.form
            paid = free_bits(coded.kl, limit.limit, form, mask)
            loss = loss + beta * paid * (2 if self.config.rave_compat else 1)
            logged["kl_bits"] = frame_mean(coded.kl.detach(), mask).sum() / LN2
        for name, value in coded.penalty.items():
            loss = loss + (value if name == "commitment" else beta * value)
            logged[name] = value
        return {"loss": loss, **parts, **logged}

    def judge(self, models: Any, batch: dict[str, Tensor], step: int) -> Any:
        """Hinge loss of the discriminator."""
        run = self.run
        if not run.machine.judges() or self.bad(batch, step):
            return None
        with torch.no_grad():
            fake = self.heard(self.decoded(batch), batch)
        real, found = run.discriminator(batch["audio"]), run.discriminator(fake)
        return {
            "loss": hinge_discriminator(real, found),
            "real": torch.stack([r[-1].detach().mean() for r in real]).mean(),
            "fake": torch.stack([f[-1].detach().mean() for f in found]).mean(),
        }

    def generate(self, models: Any, batch: dict[str, Tensor], step: int) -> Any:
        """Distance, feature matching and verdict, while the decoder learns."""
        run, phases = self.run, self.config.phases
        if run.machine.phase != "adversarial" or self.bad(batch, step):
            return None
        found = self.decoded(batch)
        parts = self.distances(found, batch)
        with torch.no_grad():
            real = run.discriminator(batch["audio"])
        fake = run.discriminator(self.heard(found, batch))
        verdict, features = hinge_generator(fake), feature_matching(real, fake)
        weight = phases.features**2 if self.config.rave_compat else phases.features
        loss = parts["distance"] + phases.adversarial * verdict + weight * features
        return {"loss": loss, **parts, "adversarial": verdict, "features": features}

    def decoded(self, batch: dict[str, Tensor]) -> Tensor:
        """Sound of the frozen encoder's latent, in time."""
        sound: Tensor = self.run.model(batch["audio"], batch["length"])[0]
        return sound

    def heard(self, found: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Without what lies in the padding, so that a judge cannot tell by that."""
        inside = torch.arange(found.shape[-1], device=found.device) < batch["length"][:, None]
        return found * inside[:, None]

    def distances(self, found: Tensor, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The distance, and its terms."""
        each = self.run.distance.parts(found, batch["audio"], batch["length"])
        parts = {f"distance/{name}": value.mean() for name, value in each.items()}
        return {"distance": torch.stack(list(parts.values())).sum(), **parts}

    def bad(self, batch: dict[str, Tensor], step: int) -> bool:
        """Whether a clip of the batch is not finite; its file is named, and the batch left out."""
        if self.last_bad[0] is not batch:
            finite = torch.isfinite(batch["audio"]).flatten(1).all(1)
            for index in batch["index"][~finite].tolist():
                name = self.run.data.name(index)
                self.run.skipped[name] = self.run.skipped.get(name, 0) + 1
                if self.run.skipped[name] == 1:
                    tqdm.write(
                        f"latent: step {step}: {name} has NaN or infinite samples; "
                        "batches with it are left out",
                        file=sys.stderr,
                    )
            self.last_bad = (batch, not bool(finite.all()))
        return self.last_bad[1]

"""Looks on while an autoencoder learns, and writes down what the report and the advice need."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dspcore.files import write_text
from dspcore.latent.advice import Advice, advise
from dspcore.latent.diagnostics import (
    Side,
    active_units,
    aggregate_mmd,
    data_facts,
    dims_used,
    feature_correlation,
    gradient_lengths,
    items,
    pca_fidelity,
    principal_sobol,
    prune_curve,
    sobol,
    update_ratios,
    yardsticks,
)
from dspcore.latent.diagnostics.items import as_json
from dspcore.latent.divergence import LN2
from dspcore.latent.run import Callback, LatentRun, Validation
from dspcore.losses import magnitudes
from dspcore.train import Fitted, Moved, Trackers, read_run
from dspcore.train.trackers import Kept

#: What names of the worst clips' sounds begin with.
WORST = "worst/"

#: Clips whose sound is compared with the validation's, and that yardsticks are measured on.
COMPARED, MEASURED = 512, 16


def _survives(method: Callable[..., Any]) -> Callable[..., Any]:
    """What goes wrong in it is said once, and ends the diagnostics; the run goes on."""

    @functools.wraps(method)
    def tried(self: Watch, *args: Any) -> Any:
        if self.broken:
            return None
        try:
            return method(self, *args)
        except Exception as error:
            self.broken = True
            self.say(f"latent: diagnostics failed and are left out from now on: {error}")
            return None

    return tried


class Watch(Callback):
    """Diagnostics: facts about the data and yardsticks before the first step, then at validations.

    data.json, yardsticks.json, items.json and latent.json are written into the run's folder, arrays
    into its arrays.jsonl, and advice is said once as soon as its rule holds; ``dspcore report``
    shows all of it. What fails here is said, and never stops a run.

    Args:
        every: Validations from one look at what the decoder uses to the next; it costs one decoding
            for each dimension. There is one at the end, too.
        looked_at: Clips of such a look.
        frames: Of the latent in such a look, from the beginning of each clip.
        played: Validation clips whose sound is kept: the first so many, and the worst at that step.
        clip_steps: See `dspcore.latent.advice.advise`.
        say: Where advice goes; standard error when left out.
    """

    def __init__(
        self,
        *,
        every: int = 4,
        looked_at: int = 16,
        frames: int = 4,
        played: int = 3,
        clip_steps: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.every, self.looked_at, self.frames, self.played = every, looked_at, frames, played
        self.limits = {} if clip_steps is None else {"clip_steps": clip_steps}
        self.say = say or (lambda text: tqdm.write(text, file=sys.stderr))
        self.said: set[str] = set()
        self.count, self.broken = 0, False
        self.features: dict[str, Tensor] = {}
        self.moves: dict[str, float] = {}
        self.waiting: list[Callable[[Any], None]] = []  # what trackers are given at the next line
        self.last: Validation | None = None

    # --- before the first step ------------------------------------------------------------------

    @_survives
    def begin(self, run: LatentRun, step: int) -> None:
        """Data, and yardsticks."""
        if not (run.folder / "data.json").exists():
            _write(run.folder / "data.json", _data(run))
        batch = next(run.batches(run.data.validation, MEASURED))
        if not (run.folder / "yardsticks.json").exists() and len(batch["audio"]) > 1:
            found = yardsticks(
                lambda sound, target: run.distance(sound, target, batch["length"]),
                batch["audio"],
                run.config.sample_rate,
                through=_filter_bank(run),
            )
            _write(run.folder / "yardsticks.json", {"metric": "validation/loss", "values": found})
            said = ", ".join(f"{name} {value:.3g}" for name, value in found.items())
            self.say(f"latent: the distance of {said}")
        self._advise(run)

    # --- while it goes --------------------------------------------------------------------------

    @_survives
    def moved(self, run: LatentRun, moved: Moved) -> None:
        """Lengths of gradients and steps by part, where a line of metrics comes."""
        if (moved.step + 1) % run.config.fit.log_every:
            return
        whole = moved.norm / moved.limit if moved.clipped else 1.0  # gradients are clipped by now
        for part, length in gradient_lengths(moved.parameters).items():
            self.moves[f"gradient_length/{part}"] = length * whole
        for part, ratio in update_ratios(moved.optimizer, moved.parameters).items():
            self.moves[f"update_ratio/{part}"] = ratio

    @_survives
    def validated(self, run: LatentRun, validation: Validation) -> dict[str, float] | None:
        """Bits, items and their map; now and then what the decoder uses."""
        self.last = validation
        step, rows = validation.step, [run.data.shards.row(int(i)) for i in validation.indices]
        listed = items(
            [row.path for row in rows],
            validation.distance.cpu(),
            tags=[row.tags for row in rows],
            parts={name: value.cpu() for name, value in validation.parts.items()},
        )
        _write(run.folder / "items.json", as_json(listed))
        found = {"latent/active": float(active_units(validation.means))}
        if validation.kl is not None:
            bits = validation.kl.mean(0) / LN2
            self._array(step, "latent/bits", bits)
            limit = run.config.free_bits.limit or 0.5
            found["latent/under"] = float((bits < limit).double().mean())
        if self.count % self.every == 0:
            self._look(run, validation)
        self.count += 1
        return found

    @_survives
    def log(self, run: LatentRun, step: int, trackers: Trackers) -> None:
        """What has come together since the last line."""
        if self.moves:
            trackers.log(step, self.moves)
            self.moves = {}
        for give in self.waiting:
            give(trackers)
        self.waiting = []
        self._advise(run)

    @_survives
    def end(self, run: LatentRun, fitted: Fitted) -> None:
        """A last look, and all that is still waiting."""
        training = run.model.training
        run.model.eval()
        if self.last is not None and (self.count - 1) % self.every:
            with torch.no_grad():
                self._look(run, self.last)
        run.model.train(training)
        kept = Kept(run.folder, fitted.step)
        for give in self.waiting:
            give(kept)
        kept.close()
        self.waiting = []
        self._advise(run)

    # --- what the decoder uses ------------------------------------------------------------------

    def _look(self, run: LatentRun, validation: Validation) -> None:
        """Sobol indices, prune curve, correlations, map, sounds."""
        step, model = validation.step, run.model
        batch = next(run.batches(run.data.validation, self.looked_at))
        coded = model.encode(batch["audio"], batch["length"])
        samples = min(self.frames * model.hop, batch["audio"].shape[-1])
        z = coded.mean[..., : self.frames]
        summary: dict[str, float] = {"active": active_units(validation.means)}
        if len(z) > 1:
            index = sobol(lambda part: spectra(model.decode(part)), z)
            self._array(step, "latent/sobol", index)
            summary["used"] = dims_used(index)
            axes = principal_sobol(lambda part: spectra(model.decode(part)), z)
            summary["size"] = dims_used(axes)
            outputs, inputs = (
                float(spectra(x).flatten(1).var(0).sum())
                for x in (model.decode(z, samples), batch["audio"][..., :samples])
            )
            summary["spread"] = outputs / max(inputs, 1e-12)
            summary |= self._pruned(run, z, index, batch, samples, step)
            fidelity = pca_fidelity(coded.mean)
            summary |= {f"pca {100 * share:g} %": float(k) for share, k in fidelity.items()}
            summary["mmd"] = aggregate_mmd(coded.mean, coded.std)
        self._array(step, "latent/summary", summary)
        self._map(run, validation)
        self._play(run, step, range(min(self.played, len(run.data.validation))), "")
        worst = validation.distance.argsort(descending=True)[: self.played]
        self._play(run, step, worst.tolist(), WORST)

    def _play(self, run: LatentRun, step: int, picks: Sequence[int], before: str) -> None:
        """Keep some validation clips and what the model makes of them."""
        batch = next(run.batches([run.data.validation[i] for i in picks], self.played))
        heard = run.model(batch["audio"], batch["length"])[0]
        for k in range(len(heard)):
            name = before + Path(run.data.name(int(batch["index"][k]))).stem
            length = int(batch["length"][k])
            self._sound(step, f"{name}/target", batch["audio"][k, :, :length], run)
            self._sound(step, f"{name}/output", heard[k, :, :length], run)

    def _pruned(
        self,
        run: LatentRun,
        z: Tensor,
        worth: Tensor,
        batch: dict[str, Tensor],
        samples: int,
        step: int,
    ) -> dict[str, float]:
        """The distance with the best dimensions kept."""
        few = min(8, len(z))
        wanted = batch["audio"][:few, :, :samples]
        length = batch["length"][:few].clamp(max=samples)

        def loss(latent: Tensor) -> Tensor:
            return run.distance(run.model.decode(latent, samples), wanted, length).mean()

        d = z.shape[1]
        counts = sorted({0, *(min(d, 2**k) for k in range(d.bit_length() + 1))})
        curve = prune_curve(loss, z[:few], worth, counts)
        self._array(step, "latent/prune", [curve.kept, curve.loss])
        return {"needed": float(curve.needed())}

    def _map(self, run: LatentRun, validation: Validation) -> None:
        """latent.json: means, tags and what is heard, of validation clips and some others."""
        indices = validation.indices.tolist()
        means = [validation.means.cpu()]
        seen = [False] * len(indices)
        sounds = [run.data.shards.audio(int(i)) for i in indices]
        some = next(run.batches(run.data.training, min(64, len(run.data.training))))
        coded = run.model.encode(some["audio"], some["length"])
        means.append(coded.mean.mean(2).cpu())
        seen += [True] * len(some["index"])
        rows = [run.data.shards.row(int(i)) for i in [*indices, *some["index"].tolist()]]
        every = torch.cat(means)
        heard = self._heard(sounds, run.config.sample_rate)
        found = feature_correlation(validation.means.cpu(), heard)
        self._array(
            validation.step, "latent/correlation", {k: v.tolist() for k, v in found.items()}
        )
        blank = [float("nan")] * len(some["index"])
        features = {name: [*values.tolist(), *blank] for name, values in heard.items()}
        note = {
            "means": [[float(f"{v:.5g}") for v in row] for row in every.tolist()],
            "tags": [row.tags[0] if row.tags else "" for row in rows],
            "paths": [row.path for row in rows],
            "seen": seen,
            "features": {n: [v if v == v else None for v in f] for n, f in features.items()},
        }
        _write(run.folder / "latent.json", note)

    def _heard(self, sounds: list[Tensor], sample_rate: int) -> dict[str, Tensor]:
        """Brightness, depth and loudness, measured once."""
        if not self.features:
            from dspcore.style import brightness, depth

            mono = [sound.mean(0, keepdim=True)[None, :, : 2 * sample_rate] for sound in sounds]
            self.features = {
                "brightness": torch.cat([brightness(x, sample_rate) for x in mono]),
                "depth": torch.cat([depth(x, sample_rate) for x in mono]),
                "level": torch.stack(
                    [10 * x.square().mean().clamp(min=1e-12).log10() for x in mono]
                ),
            }
        return self.features

    # --- writing --------------------------------------------------------------------------------

    def _array(self, step: int, name: str, values: Any) -> None:
        plain = values.tolist() if isinstance(values, Tensor) else values
        self.waiting.append(lambda to: to.array(step, name, plain))

    def _sound(self, step: int, name: str, sound: Tensor, run: LatentRun) -> None:
        kept, rate = sound.detach().cpu(), run.config.sample_rate
        self.waiting.append(lambda to: to.audio(step, name, kept, rate))

    def _advise(self, run: LatentRun) -> None:
        """Say what holds now and was not said before."""
        if not (run.folder / "metrics.jsonl").exists():
            return
        for line in self.advice(run.folder):
            key = f"{line.rule}/{line.numbers.get('likely', '')}"
            if key not in self.said:
                self.said.add(key)
                self.say(f"latent: {line.kind}: {line.text}")

    def advice(self, folder: Path) -> list[Advice]:
        """What holds of a run, from its folder."""
        return advise(read_run(folder), **self.limits)


def spectra(audio: Tensor) -> Tensor:
    """Log magnitudes of short windows, 80 dB deep: two hits that sound alike look alike."""
    found = magnitudes(audio, 512)
    floor = 1e-4 * found.amax() + 1e-9
    return (found + floor).log()


def _data(run: LatentRun) -> dict[str, Any]:
    sides = []
    for clips in (run.data.training, run.data.validation):
        count = min(len(clips), COMPARED)
        picks = torch.linspace(0, len(clips) - 1, count).round().long().tolist()
        some = [clips[i] for i in picks]
        sides.append(
            Side(
                [clip["audio"][:, : clip["length"]] for clip in some],
                [run.data.name(clip["index"]) for clip in some],
            )
        )
    return data_facts(sides[0], sides[1], run.config.sample_rate, run.data.validation.samples)


def _filter_bank(run: LatentRun) -> Callable[[Tensor], Tensor] | None:
    """Through the bands of the distance and back."""
    bank = run.distance.pqmf
    if bank is None:
        return None
    return lambda audio: bank.inverse(
        bank(torch.nn.functional.pad(audio, (0, -audio.shape[-1] % bank.bands)))
    )


def _write(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value) + "\n")

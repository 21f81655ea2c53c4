"""Hits from a folder to a model, yardsticks and new hits, and stereo compared: ``--help``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspcore import audio, data, latent, train
from dspcore.latent.diagnostics import yardsticks
from percussive.stereo import compare, table

FAMILIES = ("bd", "drum", "elec", "glitch", "hat", "perc", "sn", "tabla")


@dataclass
class Study:
    """What is done.

    Attributes:
        data: Folder with sonic_pi.
        out: Folder for results.
        model: Settings of the model, a TOML file.
        longest_s: Longer sounds are no hits.
        tag: Only the hits of this tag: snares, or a family; all when empty.
        steps: Of the model; 0 as its file says. Its schedules are stretched with it.
        prior_steps: Of the prior; 0 for none.
        stereo_steps: Of each of the stereo models; 0 leaves them out.
        stereo_seeds: How often each is trained.
        stereo_kinds: Which: lr, ms, dual; the others are compared with the first.
        train: Train the model; otherwise only what comes after it is done.
    """

    data: str = "../../shared/data"
    out: str = "../build/percussive"
    model: str = str(Path(__file__).with_name("config.toml"))
    longest_s: float = 1.2
    tag: str = ""
    steps: int = 0
    prior_steps: int = 400
    stereo_steps: int = 250
    stereo_seeds: int = 1
    stereo_kinds: str = "lr,ms,dual"
    train: bool = True


def manifest(study: Study, name: str, keep: Callable[[data.Row], bool]) -> Path:
    """The hits of which `keep` says so; their families are tags, and `snares` is one of its own."""
    path = Path(study.out) / name
    tags = (*((family, f"{family}_*") for family in FAMILIES), ("snares", "*sn*"))
    rules = data.Rules(tuple(f"{family}_*" for family in FAMILIES), ("drum_roll*",), tags=tags)
    rows = data.scan([Path(study.data) / "sonic_pi"], path, rules)
    data.write(path, [row for row in rows if row.error or keep(row)])
    return path


def measured(run: latent.LatentRun, model: latent.Autoencoder) -> dict[str, Any]:
    """The validation set against yardsticks, in our distance and in RAVE's."""
    clips = [run.data.validation[i] for i in range(len(run.data.validation))]
    sounds = torch.stack([clip["audio"] for clip in clips])
    length = torch.tensor([clip["length"] for clip in clips])
    with torch.no_grad():
        made = model(sounds)[0]
    rave = latent.make_distance(replace(run.config, rave_compat=True))
    found: dict[str, Any] = {}
    for name, distance in (("ours", run.distance), ("rave", rave)):

        def loss(a: Tensor, b: Tensor, distance: Any = distance) -> Tensor:
            each: Tensor = distance(a, b, length)
            return each

        found[name] = {"model": float(loss(made, sounds).mean())}
        found[name] |= yardsticks(loss, sounds, model.sample_rate)
    return found


def new_hits(study: Study, run: latent.LatentRun, model: latent.Autoencoder) -> dict[str, float]:
    """A prior over the training hits, judged against all hits, and sixteen new ones.

    Twelve held out would be too few to compare distributions with.
    """
    out, shards = Path(study.out), run.data.shards
    sounds = [(shards.audio(i), {"path": run.data.name(i)}) for i in run.data.training.indices]
    latents = latent.encoded(model, sounds)
    latent.write_latents(out / "latents", latents)
    fit = replace(
        latent.PriorConfig().fit,
        folder=str(out / "prior"),
        steps=study.prior_steps,
        resume=True,
        accelerator="cpu",
    )
    config = latent.PriorConfig(width=64, layers=2, most_frames=48, fit=fit)
    prior = latent.fit_prior(latents, config)
    (out / "new").mkdir(exist_ok=True)
    for number, mean in enumerate(prior.sample(16, seed=1)):
        made = latent.decoded(model, mean)
        audio.write(out / "new" / f"hit-{number:02}.wav", made, model.sample_rate)
    real = [shards.audio(i) for i in range(len(shards))]
    return latent.judge_prior(model, prior, latents, real, count=len(real))


def stretch(config: latent.LatentConfig, steps: int) -> None:
    """Another number of steps, with the schedules of rate and divergence."""
    times = steps / config.fit.steps
    config.fit.steps, config.beta.steps = steps, round(times * config.beta.steps)
    schedule = config.fit.optimizer.schedule
    schedule.points = [(round(times * step), factor) for step, factor in schedule.points]


def main() -> None:
    """Train, measure, sample, compare."""
    study = train.read_config(Study, program="percussive")
    out = Path(study.out)
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    config = train.read_config(latent.LatentConfig, ["--config", study.model])
    config.fit = replace(config.fit, folder=str(out / "run"), resume=True)
    if study.steps:
        stretch(config, study.steps)
    config.data.source = str(
        manifest(
            study,
            f"{study.tag or 'percussive1'}.jsonl",
            lambda row: row.seconds <= study.longest_s and study.tag in ("", *row.tags),
        )
    )
    run = latent.fit_latent(config).run if study.train else latent.open_run(config)
    if (out / "run" / "best.safetensors").exists():
        model = latent.load_latent(out / "run")
        found["hits"] = {"training": len(run.data.training), "valid": len(run.data.validation)}
        found["distance"] = measured(run, model)
        if study.prior_steps:
            found["mmd"] = new_hits(study, run, model)
    if study.stereo_steps:
        path = manifest(
            study,
            "stereo.jsonl",
            lambda row: row.channels == 2 and row.seconds <= study.longest_s,
        )
        found["stereo"] = compare(
            path, out, study.stereo_steps, study.stereo_seeds, study.stereo_kinds.split(",")
        )
        print(table(found["stereo"]))
    (out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

"""Words from recordings and from espeak-ng to a model, a prior, and new words: ``--help``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from dspcore import audio, data, latent, train
from dspcore.data.words.espeak import speak

SAID = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
VOICES = ("en", "en+f2", "en+f4", "en+m3", "en+m5", "en-us", "en-us+f3", "en-us+m7")


@dataclass
class Study:
    """What is done.

    Attributes:
        data: Folder with fsdd.
        out: Folder for results.
        takes: Takes of each digit and speaker of fsdd that are used, 50 at most.
        espeak: Whether espeak-ng's words are added; its voices are speakers of their own.
        model: Settings of the model, a TOML file.
        prior_steps: Of the prior.
        rates: Words a minute that espeak-ng says.
    """

    data: str = "../../shared/data"
    out: str = "../build/words"
    takes: int = 10
    espeak: bool = True
    model: str = str(Path(__file__).with_name("config.toml"))
    prior_steps: int = 400
    rates: list[int] = field(default_factory=lambda: [140, 180])


def said_by_espeak(folder: Path, rates: list[int]) -> None:
    """Every digit by every voice at every rate, a folder for each voice."""
    for voice in VOICES:
        home = folder / voice
        home.mkdir(parents=True, exist_ok=True)
        for number, word in enumerate(SAID):
            for rate in rates:
                made = speak(word, voice, rate)
                sounding = (made.audio[0].abs() > 0.01).nonzero()[:, 0]
                sound = made.audio[:, int(sounding[0]) : int(sounding[-1]) + 200]
                audio.write(home / f"{number}_{voice}_{rate}.wav", 0.9 * sound, made.sample_rate)


def manifest(study: Study, out: Path) -> Path:
    """Of all words; the speaker is the group, the digit the text and the last tag."""
    folders = [Path(study.data) / "fsdd"]
    if study.espeak:
        said_by_espeak(out / "espeak", study.rates)
        folders.append(out / "espeak")
    path = out / "words.jsonl"
    rows = data.scan(folders, path, data.Rules(group=r"\d_([^_]+)_\d+\.wav$"))
    kept = []
    for row in rows:
        digit, _, take = Path(row.path).stem.split("_")
        if "fsdd" in row.path and int(take) >= study.takes:
            continue
        kept.append(replace(row, text=SAID[int(digit)], tags=(SAID[int(digit)],)))
    data.write(path, kept)
    return path


def main() -> None:
    """Train, encode, train the prior, judge, and say every word."""
    study = train.read_config(Study, program="words")
    out = Path(study.out)
    out.mkdir(parents=True, exist_ok=True)
    path = manifest(study, out)
    config = train.read_config(latent.LatentConfig, ["--config", study.model])
    config.data.source = str(path)
    config.fit = replace(config.fit, folder=str(out / "run"), resume=True)
    done = latent.fit_latent(config)
    run, model = done.run, latent.load_latent(out / "run")
    rows, sounds = [], []
    for index in run.data.training.indices:
        sounds.append(run.data.shards.audio(index))
        row = run.data.shards.row(index)
        rows.append({"path": row.path, "text": row.text, "tags": list(row.tags)})
    real = [run.data.shards.audio(index) for index in run.data.validation.indices]
    latents = latent.encoded(model, zip(sounds, rows, strict=True))
    latent.write_latents(out / "latents", latents)
    fit = latent.PriorConfig().fit
    fit = replace(fit, folder=str(out / "prior"), steps=study.prior_steps, resume=True)
    prior_config = latent.PriorConfig(width=64, layers=2, most_frames=16, label="text", fit=fit)
    prior = latent.fit_prior(latents, replace(prior_config, fit=replace(fit, accelerator="cpu")))
    found = {
        "words": {"training": len(sounds), "validation": len(real)},
        "distance": done.fitted.best,
        "mmd": latent.judge_prior(model, prior, latents, real),
    }
    (out / "new").mkdir(exist_ok=True)
    for word in SAID:
        for number, mean in enumerate(prior.sample(3, word)):
            made = latent.decoded(model, mean)
            audio.write(out / "new" / f"{word}-{number}.wav", made, model.sample_rate)
    (out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

"""Loops and other effects through an autoencoder, with what each phase came to: ``--help``."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dspcore import audio, data, latent, train


@dataclass
class Study:
    """What is done.

    Attributes:
        data: Folder with sonic_pi.
        out: Folder for results.
        model: Settings of the model, a TOML file.
    """

    data: str = "../../shared/data"
    out: str = "../build/effects"
    model: str = str(Path(__file__).with_name("config.toml"))


def main() -> None:
    """Train, and rebuild what was held out with both checkpoints."""
    study = train.read_config(Study, program="effects")
    out = Path(study.out)
    out.mkdir(parents=True, exist_ok=True)
    rules = data.Rules(("loop_*", "vinyl_*", "misc_*"))
    data.scan([Path(study.data) / "sonic_pi"], out / "effects.jsonl", rules)
    config = train.read_config(latent.LatentConfig, ["--config", study.model])
    config.data.source = str(out / "effects.jsonl")
    config.fit = replace(config.fit, folder=str(out / "run"), resume=True)
    run = latent.fit_latent(config).run
    found: dict[str, float] = {}
    for which in ("represent-end", "latest"):
        run.model.load_state_dict(latent.load_latent(out / "run", which).state_dict())
        run.model.eval()
        validation = run.validated(0)
        found[which] = float(validation.distance.mean())
    found |= {name: float(value) for name, value in run.machine.counters().items()}
    (out / "results.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    for batch in run.batches(run.data.validation, 1):
        with torch.no_grad():
            made = run.model(batch["audio"])[0]
        pair = torch.cat([batch["audio"], made], -1)[0]
        pair = pair / pair.abs().max().clamp(min=1.0)
        name = Path(run.data.name(int(batch["index"]))).stem
        audio.write(out / f"{name}.wav", pair, config.sample_rate)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

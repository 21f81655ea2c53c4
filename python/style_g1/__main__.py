"""The study from one config: encoder, map, latent size, heads, table; ``--help`` lists settings."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from dspcore import style, train
from dspcore.runs.latents import check_layout
from dspcore.style import Budget, Clips, Encoder, PairSource
from dspcore.style.pretraining import Pretraining, pretrain
from style_g1.figures import draw_map
from style_g1.latent import dims_of, map_of, recognised
from style_g1.tables import write_results

FSDD, SONIC_PI = "fsdd", "sonic_pi"


@dataclass
class Study:
    """What is done.

    Attributes:
        data: Folder with fsdd and sonic_pi.
        out: Folder for results.
        sample_rate: In Hz.
        seconds: Of a clip.
        seen: Effects that the encoder learns from.
        unseen: Effects held out.
        pairs: To train on, of an epoch and of a head.
        validation: Pairs of each effect.
        test: Pairs of each effect and data set.
        epochs: Of the encoder, at most.
        schedule: per-epoch, as in the report, or mixed.
        mapped: Effects of the map.
        mapped_pairs: Of each.
        layout: How the map is laid out: umap (needs dspcore[umap]) or pca.
        brief: The report alone: encoder, map, a head through that encoder for each of the nine.
        seed: Of everything.
    """

    data: str = "../../shared/data"
    out: str = "../build/style_g1"
    sample_rate: int = 24_000
    seconds: float = 2.7
    seen: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    pairs: int = 250
    validation: int = 25
    test: int = 25
    epochs: int = 100
    schedule: str = "per-epoch"
    mapped: list[str] = field(default_factory=list)
    mapped_pairs: int = 500
    layout: str = "umap"
    brief: bool = False
    seed: int = 0


class Timed:
    """CPU seconds of this process and of the plug-ins' workers, by part."""

    def __init__(self, parts: dict[str, float]) -> None:
        self.parts = parts
        self._began = 0.0

    def begin(self) -> None:
        """A part begins."""
        self._began = _cpu()

    def end(self, part: str, again: bool = False) -> None:
        """It has ended; what is done `again` by a run that goes on does not count."""
        if again:
            return
        self.parts[part] = self.parts.get(part, 0.0) + _cpu() - self._began
        print(f"{part}: {_cpu() - self._began:.1f} CPU s", file=sys.stderr, flush=True)


def _cpu() -> float:
    """Of this process and of its living children (the workers), from the kernel's own count."""
    from dspcore.blackbox import shared_pool

    total = time.process_time()
    for pid in shared_pool().pids:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(words[11]) + int(words[12])) / 100
    return total


def main() -> None:
    """Runs all parts that results.json does not have; every one adds to it."""
    study = train.read_config(Study, program="python -m style_g1")
    torch.set_num_threads(1)
    check_layout(study.layout)
    out = Path(study.out)
    out.mkdir(parents=True, exist_ok=True)
    results = _begun(study, out / "results.json")
    clock = Timed(results["cpu_seconds"])

    def keep(name: str, value: Any) -> None:
        results[name] = value
        (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")

    clock.begin()
    speech, held, tested = _speech(study)
    music = style.read_clips(
        Path(study.data) / SONIC_PI, study.sample_rate, study.seconds, limit=study.test
    )
    clock.end("clips", again="encoder" in results)
    effects = {n: style.effect_named(n, study.sample_rate) for n in study.seen + study.unseen}

    if "encoder" not in results:
        clock.begin()
        config = Pretraining(
            schedule=study.schedule, pairs=study.pairs, validation=study.validation,
            epochs=study.epochs, seed=study.seed,
        )  # fmt: skip
        done = pretrain([effects[n] for n in study.seen], speech, held, config)
        done.encoder.save(out / "encoder.safetensors")
        clock.end("encoder")
        keep("encoder", {"epochs": done.epochs, "best": done.best_epoch, "history": done.history})
    ears = {"conv": style.load_encoder(out / "encoder.safetensors").freeze()}
    for name in ("logmel", "statistics"):
        ears[name] = style.make_encoder(name, study.sample_rate).freeze()

    if "map" not in results:
        clock.begin()
        sources = {
            n: PairSource(effects[n], speech, seed=study.seed + 40 + i, count=study.mapped_pairs)
            for i, n in enumerate(study.mapped)
        }
        spots = map_of(sources, ears["conv"])
        clock.end("pairs of the map, brightness, depth")
        clock.begin()
        spots = draw_map(spots, study.unseen, out / "map.png", study.layout, study.seed)
        clock.end(f"map ({spots['method']})")
        keep("map", {k: v for k, v in spots.items() if k in ("method", "trustworthiness")})
    if not study.brief and "recognised" not in results:
        clock.begin()
        found = recognised(effects, speech, ears, study.seed)
        clock.end("which effect is recognised")
        keep("recognised", found)
    if not study.brief and "latent" not in results:
        clock.begin()
        vae = pretrain(
            [effects[n] for n in study.seen],
            speech,
            held,
            Pretraining(kind="vae", pairs=study.pairs, epochs=12, validation=6, seed=study.seed),
        )
        dims = dims_of(vae.encoder, held)
        clock.end("beta-VAE and Sobol indices")
        keep("latent", dims)

    rows = results.get("heads", [])
    for name, effect in effects.items():
        if name not in {row["effect"] for row in rows}:
            clock.begin()
            tests = {FSDD: tested, SONIC_PI: music}
            rows += _heads(study, name, effect, (speech, held), tests, ears)
            clock.end(f"heads and evaluation of {name}")
            keep("heads", rows)
    write_results(results, out / "RESULTS.md")


def _begun(study: Study, path: Path) -> dict[str, Any]:
    """What a run of the same study has found so far, or nothing yet."""
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text())
        if found["study"] == asdict(study):
            return found
    return {"study": asdict(study), "cpu_seconds": {}}


def _speech(study: Study) -> list[Clips]:
    """Training, validation and test clips; a speaker's recordings are on one side of the test."""
    path = Path(study.data) / FSDD
    clips = style.read_clips(
        path, study.sample_rate, study.seconds, group=r"_[a-z]+_",
        limit=study.pairs + study.validation + study.test, seed=study.seed,
    )  # fmt: skip
    speakers = sorted(set(clips.groups))
    held_out = [i for i, g in enumerate(clips.groups) if g == speakers[-1]][: study.test]
    rest = [i for i, g in enumerate(clips.groups) if g != speakers[-1]]
    count = max(1, len(rest) * study.validation // (study.pairs + study.validation))
    parts = (rest[:-count], rest[-count:], held_out)
    return [Clips(clips.audio[part], clips.sample_rate) for part in parts]


def _heads(
    study: Study,
    name: str,
    effect: Any,
    clips: tuple[Clips, Clips],
    tests: dict[str, Clips],
    ears: dict[str, Encoder],
) -> list[dict[str, Any]]:
    """Controllers of one effect on both data sets."""
    training = PairSource(effect, clips[0], seed=study.seed + 1, count=study.pairs)
    validation = PairSource(effect, clips[1], seed=study.seed + 2, count=study.validation)
    chosen, seconds = {}, {}
    asked = [(n, n, "statistics") for n in style.YARDSTICKS]
    asked += [(f"regress, {e}", "regress", e) for e in (["conv"] if study.brief else ears)]
    if not study.brief:
        asked += [(name, name, "statistics") for name in ("nearest", "regress+spsa")]
    for title, kind, ear in asked:
        begin = _cpu()
        made = style.make_controller(kind)
        budget = Budget(seed=study.seed, steps=1000)
        chosen[title] = made.prepare(effect, training, validation, encoder=ears[ear], budget=budget)
        seconds[title] = _cpu() - begin
    rows = []
    for data, test in tests.items():
        source = PairSource(effect, test, seed=study.seed + 3, count=study.test)
        found = style.evaluate(chosen, source.all()).facts()
        for row in found["rows"]:
            row |= {"effect": name, "data": data, "unseen": name in study.unseen}
            rows.append(row | {"training_cpu_seconds": seconds[row["controller"]]})
    return rows


if __name__ == "__main__":
    main()

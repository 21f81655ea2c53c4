"""What is claimed of real plug-ins, checked one by one; for bench.blackbox.

Each claim is a function that gives what was wanted, what came, and whether it holds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import dspcore
from bench.blackbox_common import RATE, cosine, loaded, recording
from bench.blackbox_gradients import Problem
from dspcore import effects
from dspcore.blackbox import SPSA, Differences, PluginError, probe
from dspcore.blackbox.calibration import measured
from dspcore.blackbox.estimators import Space
from dspcore.blackbox.isolate import Isolate
from dspcore.losses import MultiscaleSpectral

#: What was wanted, what was measured, whether that is enough.
Claim = tuple[str, str, bool]


def claims() -> Iterator[str]:
    """A row for each claim."""
    yield from ("| claim | wanted | measured | |", "|---|---|---|---|")
    for claim in (latency, direction, autodiff, chain, snapshot, synthv1, speed_of_overdrive):
        title = " ".join((claim.__doc__ or "").split()).rstrip(".")
        try:
            wanted, came, holds = claim()
        except (RuntimeError, ValueError, PluginError) as error:
            wanted, came, holds = "", f"not run: {error}".replace("\n", " ")[:90], False
        yield f"| {title} | {wanted} | {came} | {'holds' if holds else '**no**'} |"


def latency() -> Claim:
    """Samples of latency, said = measured: ZaMaximX2, LSP's limiter, swh's hilbert, loud_comp."""
    wanted = {
        ("lv2", "urn:zamaudio:ZaMaximX2"): 480,
        ("lv2", "http://lsp-plug.in/plugins/lv2/limiter_stereo"): 220,
        ("ladspa", "/usr/lib/ladspa/hilbert_1440.so"): 99,
        ("lv2", "http://lsp-plug.in/plugins/lv2/loud_comp_stereo"): 4096,
    }
    found = []
    with Isolate(probe.warm) as isolate:
        for host, identity in wanted:
            audit = isolate.call(probe.audit, host, identity, RATE, 0.2, deadline=300.0).unwrap()
            found.append((audit.info.latency, audit.measured_latency))
    return (
        ", ".join(str(n) for n in wanted.values()),
        ", ".join(
            f"{said} = {heard}" if said == heard else f"{said}, {heard}" for said, heard in found
        ),
        found == [(n, n) for n in wanted.values()],
    )


def direction() -> Claim:
    """Sign of a pair's slope along its way, MultiBand, 64 pairs: ours; averaged first (ST-ITO)."""
    effect = loaded("mda:MultiBand")
    if effect is None:
        raise RuntimeError("mda:MultiBand is not installed")
    ours: list[float] = []
    theirs: list[float] = []
    for seed in range(4):
        problem = Problem(effect, seed)
        truth = problem.gradient(Differences(), seed)
        for draw in range(16):
            point = SPSA(1).points(problem.start, problem.space(0.01), np.random.default_rng(draw))
            way = point[0] - problem.start
            for results, found in (
                (ours, problem.gradient(SPSA(1), draw)),
                (theirs, problem.averaged_first(SPSA(1), draw)),
            ):
                results.append(np.sign(found @ way) == np.sign(truth @ way))
    return (
        "above 0.95; below 0.75",
        f"{np.mean(ours):.2f}; {np.mean(theirs):.2f}",
        bool(np.mean(ours) > 0.95 and np.mean(theirs) < 0.75),
    )


def autodiff() -> Claim:
    """Cosine to autodiff in at most 8 calls (parameters), the least of 5 settings: one-sided
    differences with calibrated steps, and with 0.003; SPSA(4)
    """
    ways = {"calibrated": Differences(sided=1), "sides": Differences(sided=1), "spsa": SPSA(4)}
    found: dict[str, list[float]] = {key: [] for key in ways}
    names = []
    for kind in (
        effects.Distortion,
        effects.TransientShaper,
        effects.Expander,
        effects.Reverb,
        effects.Phaser,
    ):
        effect = kind(RATE)
        names.append(f"{effect.name} ({effect.num_params})")
        audio = recording(0.5, 1)
        drawn = 0.15 + 0.7 * effect.random(6, torch.Generator().manual_seed(0)).double()
        target = effect.normalized(audio, drawn[:1]).detach()
        loss = MultiscaleSpectral(target)
        size = effect.num_params
        steps = steps_for(effect, audio)
        cells: dict[str, list[float]] = {key: [] for key in ways}
        for draw, start in enumerate(drawn[1:]):
            p = start[None].clone().requires_grad_()
            sound = effect.normalized(audio, p)
            sound.retain_grad()
            loss(sound).sum().backward()
            assert p.grad is not None
            assert sound.grad is not None
            truth, slope = p.grad[0].numpy(), sound.grad.double()
            at = start.numpy()
            for key, estimator in ways.items():
                chosen = steps if key == "calibrated" else np.full(size, 0.003)
                space = Space(chosen, np.zeros(size))
                points = estimator.points(at, space, np.random.default_rng(draw))
                assert len(points) <= 8
                with torch.no_grad():
                    near = effect.normalized(audio, torch.from_numpy(points)).double()
                values = ((near - sound.detach().double()) * slope).sum((1, 2)).numpy()
                got = estimator.gradient(at, points, values, 0.0, space)
                cells[key].append(cosine(got, truth))
        for key in found:
            found[key].append(min(cells[key]))
    said = "; ".join(
        f"{name} {', '.join(f'{value:.2f}' for value in row)}"
        for name, *row in zip(names, *found.values(), strict=True)
    )
    return "at least 0.9 by the first", said, min(found["calibrated"]) >= 0.9


def steps_for(effect: effects.Effect, audio: torch.Tensor) -> np.ndarray:
    """What `calibrate` finds for one side alone, of an effect of ours; settings of its own."""
    settings = 0.15 + 0.7 * effect.random(2, torch.Generator().manual_seed(77)).double()
    size = effect.num_params

    def listen(p: torch.Tensor) -> tuple[torch.Tensor, np.ndarray]:
        with torch.no_grad():
            return effect.normalized(audio, p), np.ones(len(p), bool)

    rows = measured(list(effect.params), Space(np.zeros(size), np.zeros(size)), listen, settings)
    return np.array([row.side_step for row in rows])


def chain() -> Claim:
    """Overdrive before ZamCompX2: Adam on Overdrive's settings through both, spectral loss left."""
    parts = [loaded("mda:Overdrive"), loaded("zam:ZamCompX2", thr=-30.0, rat=6.0)]
    if parts[0] is None or parts[1] is None:
        raise RuntimeError("mda:Overdrive or zam:ZamCompX2 is not installed")
    rack = dspcore.Chain([effect for effect in parts if effect is not None])
    audio = recording(0.7, 2)
    with torch.no_grad():
        target = rack(audio, **{"overdrive.drive": 0.8, "overdrive.muffle": 0.5})
    loss = MultiscaleSpectral(target)
    p = torch.tensor([0.3, 0.2], requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.05)
    torch.manual_seed(0)
    left: list[float] = []
    for _ in range(50):
        given = {"overdrive.drive": p[0], "overdrive.muffle": p[1]}
        found = loss(rack(audio, **given)).sum()
        left.append(float(found.detach()))
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        with torch.no_grad():
            p.clamp_(0.0, 1.0)
    return "below 0.3", f"{min(left) / left[0]:.2f}", min(left) < 0.3 * left[0]


def snapshot() -> Claim:
    """`mode="fork"` repeats what new instances do not: Calf's rotary speaker, LSP's noise."""
    found = []
    for name in ("calf:RotarySpeaker", "lsp-plugins:noise_generator_x2"):
        differences = []
        for mode in ("fresh", "fork"):
            effect = loaded(name, mode=mode)
            if effect is None:
                raise RuntimeError(f"{name} is not installed")
            audio = recording(0.3, 2 if effect.channels == "stereo" else 1)
            with torch.no_grad():
                differences.append(float((effect(audio) - effect(audio)).abs().max()))
        found.append(tuple(differences))
    said = "; ".join(f"fresh {fresh:.2g}, fork {fork:.2g}" for fresh, fork in found)
    return "fork 0", said, all(fork == 0 for _, fork in found)


def synthv1() -> Claim:
    """synthv1, which wants a display, loads without one: its controls, its level at C4."""
    identity = "http://synthv1.sourceforge.net/lv2"
    with Isolate(probe.warm) as isolate:
        seen = isolate.call(probe.look, "lv2", identity, deadline=60.0).unwrap()
    count = len(seen.info.params)
    return "145, sounds", f"{count}, rms {seen.rms:.3f}", count == 145 and seen.status == "ok"


def speed_of_overdrive() -> Claim:
    """Overdrive, stereo, blocks of 512: seconds of sound a second of CPU time."""
    with Isolate(probe.warm) as isolate:
        uri = "http://drobilla.net/plugins/mda/Overdrive"
        audit = isolate.call(probe.audit, "lv2", uri, RATE, 10.0, deadline=120.0).unwrap()
    return "at least 300", f"{audit.speed:.0f}", audit.speed >= 300

"""Where shards are rendered: in this process, or by Slurm through submitit."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dspcore.errors import UserError
from dspcore.patches.generating import Step, finish, make_shards, missing
from dspcore.patches.recipe import read_recipe

Cluster = Literal["slurm", "local", "debug"]


@dataclass(frozen=True)
class Task:
    """Some shards of a folder, rendered wherever this is called; it may be called again.

    Args:
        folder: With its recipe, where every machine sees it.
        shards: Their numbers; those that are there already are left out.
        workers: Processes; one for each core when None.
    """

    folder: str
    shards: tuple[int, ...]
    workers: int | None = None

    def __call__(self, step: Step = lambda _: None) -> int:
        """Render them, and write the manifest when they were the last; how many were rendered."""
        home = Path(self.folder)
        recipe = read_recipe(home)
        wanted = set(missing(recipe, home))
        numbers = [number for number in self.shards if number in wanted]
        if numbers:
            with recipe.renderer(self.workers) as renderer:
                make_shards(recipe, renderer, home, numbers, step)
        finish(recipe, home)
        return len(numbers)

    def checkpoint(self) -> Any:
        """What Slurm shall start again when it takes the machine away: the same, and it goes on."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class Slurm:
    """How many jobs, and what each asks for.

    Args:
        tasks: Jobs of the array at most; shards are shared out among them.
        cpus: Cores of each.
        minutes: After which Slurm ends and requeues it.
        memory_gb: Of each.
        partition: Of the cluster; its default when left out.
        at_once: Jobs that run at the same time.
        cluster: "slurm"; "local" and "debug" run the same jobs here.
        more: Further options of sbatch, by name.
    """

    tasks: int = 100
    cpus: int = 4
    minutes: int = 240
    memory_gb: int = 8
    partition: str = ""
    at_once: int = 100
    cluster: Cluster = "slurm"
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.tasks, self.cpus, self.minutes, self.memory_gb, self.at_once) < 1:
            raise UserError("slurm: tasks, cpus, minutes, memory and jobs at once must be above 0")

    def shared_out(self, folder: Path, numbers: Sequence[int]) -> list[Task]:
        """A task for each job: equal parts, neighbours apart."""
        count = min(self.tasks, len(numbers))
        where = str(folder.resolve())
        return [Task(where, tuple(numbers[i::count]), self.cpus) for i in range(count)]

    def script(self, folder: Path, tasks: Sequence[Task]) -> str:
        """The script that `submit` would give to sbatch."""
        _submitit()
        from submitit.slurm.slurm import _make_sbatch_string

        command = shlex.join([sys.executable, "-u", "-m", "submitit.core._submit"])
        text: str = _make_sbatch_string(
            command=f"{command} {shlex.quote(str(self._logs(folder)))}",
            folder=self._logs(folder),
            map_count=len(tasks) if len(tasks) > 1 else None,
            **self._options(),
        )
        return text

    def submit(self, folder: Path, tasks: Sequence[Task]) -> list[Any]:
        """Hand the tasks over; submitit's jobs."""
        submitit = _submitit()
        executor = submitit.AutoExecutor(folder=str(self._logs(folder)), cluster=self.cluster)
        if self.cluster == "slurm":
            executor.update_parameters(**{f"slurm_{k}": v for k, v in self._options().items()})
        else:
            executor.update_parameters(timeout_min=self.minutes)
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
        return list(jobs)

    def _logs(self, folder: Path) -> Path:
        return folder.resolve() / "slurm"

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "job_name": "dspcore-patches",
            "time": self.minutes,
            "cpus_per_task": self.cpus,
            "mem": f"{self.memory_gb}GB",
            "array_parallelism": self.at_once,
            "signal_delay_s": 120,
        }
        if self.partition:
            options["partition"] = self.partition
        return {**options, **self.more}


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise RuntimeError(
            "Slurm is reached through submitit; install it: pip install 'dspcore[cluster]'"
        ) from error
    return submitit

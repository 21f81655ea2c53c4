"""``dspcore live``: a chain played while it is changed."""

from __future__ import annotations

import queue
import sys
import threading
import time
from pathlib import Path

import click

from dspcore import audio
from dspcore.errors import UserError
from dspcore.live import ENGINES, NullDevice, Player, SoundDevice
from dspcore.live.commands import Commands
from dspcore.preset import load_preset

_LOOK_SECONDS = 0.25  # between looks at the preset
_REST = "\033[K" if sys.stderr.isatty() else ""  # clears what a longer line left


@click.command()
@click.argument("chain", required=False)
@click.argument("sound", required=False)
@click.option("--null", is_flag=True, help="No hardware: measure the load alone.")
@click.option("--device", help="Name, or number of --devices.  [default: the system's]")
@click.option("--devices", is_flag=True, help="List the audio devices.")
@click.option(
    "--engine", type=click.Choice(list(ENGINES)), default="native", show_default=True,
    help="The chain compiled to C++, or in Python.",
)  # fmt: skip
@click.option("--block", type=click.IntRange(1, 8_192), default=64, show_default=True)
@click.option("--rate", type=click.IntRange(8_000, 192_000), help="In Hz.  [default: the preset's]")
@click.option("--channels", type=click.IntRange(1, 2), default=2, show_default=True, help="In.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after so long.")
def command(
    chain: str | None,
    sound: str | None,
    null: bool,
    device: str | None,
    devices: bool,
    engine: str,
    block: int,
    rate: int | None,
    channels: int,
    seconds: float | None,
) -> None:
    """Play the preset CHAIN from the audio input, or SOUND, a file, in a loop.

    Type a parameter's name and a value while it plays (help lists what else); or edit the preset:
    it is read again when it is saved. Changed numbers glide; where a word or the chain itself has
    changed, the new chain fades in. The load is shown every second.

    \b
    Examples:
        dspcore live chain.toml
        dspcore live chain.toml drums.wav --device "USB Audio" --block 128
        dspcore live chain.toml drums.wav --null --seconds 10
    """
    if devices:
        click.echo(SoundDevice.listed())
        return
    if chain is None:
        raise click.UsageError("Missing argument 'CHAIN'.")
    out = NullDevice(block) if null else SoundDevice(block, device=device, hears=sound is None)
    seen = _stamp(Path(chain))
    rack = load_preset(chain)
    if rate is not None:
        rack = rack.at_rate(rate)
    loop = None
    if sound is not None:
        loop, own = audio.read(sound)
        if own != rack.sample_rate:
            raise UserError(
                f"{sound}: has {own} Hz, the chain plays at {rack.sample_rate} Hz; add --rate {own}"
            )
    player = Player(
        rack, channels=channels, loop=loop, engine=engine,
        progress=_doing,
    )  # fmt: skip
    click.echo(f"\r{chain}: playing at {rack.sample_rate} Hz; help lists commands{_REST}", err=True)
    stop = threading.Event()
    failed: list[BaseException] = []

    def play() -> None:
        try:
            out.run(player, stop, seconds)
        except BaseException as error:
            failed.append(error)
        finally:
            stop.set()

    playing = threading.Thread(target=play, daemon=True)
    playing.start()
    try:
        _attend(player, Path(chain), seen, stop)
    finally:
        stop.set()
        playing.join()
        total = player.load.total
        click.echo(f"{total.seconds:.1f} s played in blocks of {block}, {total}")
    if failed:
        raise failed[0]


def _doing(what: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{what}{_REST}", err=True, nl=False)


def _attend(player: Player, preset: Path, seen: tuple[int, int], stop: threading.Event) -> None:
    """Take commands, look at the preset, show the load, until `stop` or the command to end."""
    commands, lines = Commands(player), _lines()
    told = time.monotonic()
    while not stop.is_set() and not commands.ended:
        try:
            if said := commands.run(lines.get(timeout=_LOOK_SECONDS)):
                click.echo(said)
        except queue.Empty:
            pass
        if (now := _stamp(preset)) != seen:
            seen = now
            _read_again(player, preset)
        if sys.stderr.isatty() and time.monotonic() - told >= 1.0:
            told = time.monotonic()
            peak, player.peak = audio.dbfs(player.peak), 0.0
            click.echo(f"\r{player.load.lately()}, peak {peak:.0f} dBFS{_REST}", err=True, nl=False)


def _read_again(player: Player, preset: Path) -> None:
    try:
        player.replace(load_preset(preset))
        click.echo(f"{preset}: read again")
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        click.echo(f"{error}; the chain plays on as it was", err=True)


def _stamp(preset: Path) -> tuple[int, int]:
    """What changes when a file is written; an editor may take it away for a moment."""
    try:
        facts = preset.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _lines() -> queue.Queue[str]:
    """What is typed, line by line."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return lines

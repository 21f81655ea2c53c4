"""The command line, one file per command: ``dspcore --help`` lists them."""

from __future__ import annotations

import atexit
import gc
import importlib
import signal
from typing import Any, NoReturn

import click

#: A command is the module of that name beside this file, with a click command called `command`.
COMMANDS = (
    "render",
    "live",
    "match",
    "estimate",
    "demo",
    "effects",
    "plugins",
    "style",
    "list",
    "preset",
    "export",
    "synth",
    "data",
    "train",
    "ddsp",
    "latent",
    "report",
    "bench",
    "info",
)


class Interrupted(KeyboardInterrupt):
    """Another program asked this one to end (SIGTERM)."""


class Commands(click.Group):
    """Loads a command when it is used, and shows an error as one message unless ``--debug``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command called `name`, with ``--debug`` among its options."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"dspcore.cli.{name}").command
        _add_debug(command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        if gc.get_freeze_count() == 0:  # a process that runs one command after the other: once
            gc.freeze()  # Python would look through all that was imported once on its way
            atexit.register(gc.freeze)  # and once at its end
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as stop:
            click.echo("interrupted: half-written files were removed, checkpoints kept", err=True)
            ctx.exit(143 if isinstance(stop, Interrupted) else 130)
        except Exception as error:
            if ctx.meta.get("dspcore.debug"):
                raise
            known = isinstance(error, (ValueError, OSError, RuntimeError))
            text = str(error) if known else f"{type(error).__name__}: {error} (--debug says where)"
            raise click.ClickException(text) from error
        finally:
            signal.signal(signal.SIGTERM, before)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dspcore")
def main() -> None:
    """Differentiable audio effects: render, match and inspect chains of them.

    \b
    Example:
        dspcore preset new eq compressor reverb -o chain.toml
        dspcore render chain.toml in.wav -o out.wav
    """


def debugging() -> bool:
    """Whether the running command was given ``--debug``."""
    return bool(click.get_current_context().meta.get("dspcore.debug"))


def _add_debug(command: click.Command) -> None:
    for part in command.commands.values() if isinstance(command, click.Group) else [command]:
        if not any(option.name == "debug" for option in part.params):
            part.params.append(
                click.Option(
                    ["--debug"],
                    is_flag=True,
                    expose_value=False,
                    is_eager=True,
                    callback=_set_debug,
                    help="Show the traceback of an error.",
                )
            )


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta["dspcore.debug"] = value


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted

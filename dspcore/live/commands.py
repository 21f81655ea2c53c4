"""What a person types while a chain plays."""

from __future__ import annotations

from pathlib import Path

from dspcore.errors import UserError, nearest
from dspcore.live.player import Player
from dspcore.preset import save_preset

HELP = """\
NAME VALUE     set a parameter or a choice:  reverb.mix 0.4
show [PART]    every setting, or those of a part
bypass         the sound as it comes in; again: through the chain
save FILE      write the settings as a preset
quit           end"""


class Commands:
    """Carries out one line after another."""

    def __init__(self, player: Player) -> None:
        self.player, self.ended = player, False

    def run(self, line: str) -> str:
        """Do what `line` says, and tell what was done or what is wrong with it."""
        word, _, rest = line.strip().replace("=", " ").partition(" ")
        rest = rest.strip()
        try:
            if not word:
                return ""
            if word in ("quit", "exit", "q"):
                self.ended = True
                return ""
            if word in ("help", "?"):
                return HELP
            if word == "show":
                return self._shown(rest)
            if word == "bypass":
                self.player.bypassed = not self.player.bypassed
                return "bypassed" if self.player.bypassed else "through the chain"
            if word == "save":
                return self._saved(rest)
            return self._set(word, rest)
        except (UserError, ValueError, TypeError, OSError) as error:
            return str(error)

    def _set(self, name: str, word: str) -> str:
        rack = self.player.rack
        choices = {
            f"{part}.{key}": effect.choices[key]
            for part, effect in zip(rack.effect_names, rack, strict=True)
            for key in effect.choices
        }
        if name not in rack.params and name not in choices:
            known = [*rack.params, *choices, "show", "bypass", "save", "quit", "help"]
            raise UserError(f"unknown {name!r}; {nearest(name, known)}")
        if not word:
            return self._shown(name)
        value: float | str = word
        if name in rack.params:
            try:
                value = float(word)
            except ValueError as error:
                raise UserError(f"{name}: must be a number, got {word!r}") from error
        self.player.change({name: value})
        return self._shown(name)

    def _shown(self, start: str) -> str:
        rack = self.player.rack
        lines = []
        for name, param in rack.params.items():
            ends = f"{param.minimum:g} to {param.maximum:g} {param.unit}".rstrip()
            lines.append((name, f"{rack.values[name]:g}", ends))
        for part, effect in zip(rack.effect_names, rack, strict=True):
            for key, choice in effect.choices.items():
                lines.append((f"{part}.{key}", str(effect.options[key]), ", ".join(choice.words)))
        found = [(n, v, ends) for n, v, ends in lines if n.startswith(start)]
        if not found:
            raise UserError(f"nothing begins with {start!r}; {nearest(start, rack.effect_names)}")
        wide = max(len(name) for name, *_ in found)
        return "\n".join(f"{name:<{wide}}  {value:<10}  ({ends})" for name, value, ends in found)

    def _saved(self, path: str) -> str:
        if not path:
            raise UserError("save: wants a file: save mine.toml")
        if Path(path).exists():
            raise UserError(f"save: {path} exists already; choose another name")
        save_preset(self.player.rack, path)
        return f"{path}: written"

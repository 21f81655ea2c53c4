"""A mouth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dspcore import ops
from dspcore.effects.effect import Effect
from dspcore.effects.param import HIGHEST_SHARE, Choice, Param
from dspcore.effects.parametric_eq import ring_seconds

# Mean formants in Hz of the vowels at the corners of the plane, of the words who'd, heed, hod, had.
_FORMANTS = {
    "man": ((300, 870, 2240), (270, 2290, 3010), (730, 1090, 2440), (660, 1720, 2410)),
    "woman": ((370, 950, 2670), (310, 2790, 3310), (850, 1220, 2810), (860, 2050, 2850)),
    "child": ((430, 1170, 3260), (370, 3200, 3730), (1030, 1370, 3170), (1010, 2320, 3320)),
}
# Their levels in dB.
_LEVELS_DB = ((-3, -19, -43), (-4, -24, -28), (-1, -5, -28), (-1, -12, -22))


class FormantFilter(Effect):
    """Let the sound speak: three resonances side by side, where a mouth puts them for a vowel.

    A plane of vowels: u (who'd) at the back and closed, i (heed) at the front and closed, a (hod)
    at the back and open, ae (had) at the front and open. In between, logarithms of frequencies and
    levels in dB are mixed in proportion. The second resonance is turned over, which keeps notches
    out of the gaps between them. A formant ends at 0.45 of the sample rate.

    Source: G. Peterson, H. Barney, "Control Methods Used in a Study of the Vowels", JASA 24, 1952,
    table II.
    """

    voice = Choice(*_FORMANTS, default="man", doc="Whose mouth.")
    front = Param(0.0, 1.0, default=0.0, doc="Where the tongue is: back (u, a) at 0, front at 1.")
    open = Param(0.0, 1.0, default=1.0, doc="Of the jaw: closed (u, i) at 0, open (a, ae) at 1.")
    q = Param(1.0, 30.0, default=8.0, scale="log", doc="Centre over bandwidth of each resonance.")
    mix = Param(0.0, 1.0, default=1.0, doc="Dry at 0, the mouth alone at 1.")

    def formants(self, front: Tensor, opened: Tensor) -> tuple[Tensor, Tensor]:
        """Frequencies in Hz and gains of the resonances, (b, 3, n), of positions (b, n)."""
        corners = torch.stack(
            torch.broadcast_tensors(
                (1 - front) * (1 - opened),
                front * (1 - opened),
                (1 - front) * opened,
                front * opened,
            ),
            2,
        )
        hz = torch.exp(corners @ front.new_tensor(_FORMANTS[self.voice]).log()).mT
        gains = 10 ** ((corners @ front.new_tensor(_LEVELS_DB)).mT / 20)
        signs = front.new_tensor([1.0, -1.0, 1.0])[:, None]
        return hz.clamp(max=HIGHEST_SHARE * self.sample_rate), gains * signs

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Three band-passes a channel."""
        b, c, t = audio.shape
        hz, gains = self.formants(params["front"], params["open"])
        rows = audio[:, :, None].expand(-1, -1, 3, -1).reshape(b, 3 * c, t)
        cutoff = (hz / self.sample_rate).repeat(1, c, 1)
        rows, state = ops.svf(rows, cutoff, params["q"][:, None], "bandpass", state)
        wet = (rows.reshape(b, c, 3, t) * gains[:, None].to(audio.dtype)).sum(2)
        mix = params["mix"][:, None].to(audio.dtype)
        return audio + mix * (wet - audio), state

    def tail_seconds(self) -> float:
        """Until the lowest resonance has fallen by 60 dB."""
        place = (torch.tensor([[self.values[key]]]).double() for key in ("front", "open"))
        lowest = float(self.formants(*place)[0].min())
        return 1.2 * ring_seconds(lowest, self.values["q"], self.sample_rate) + 2 / self.sample_rate

"""How far apart two sounds are, as numbers to descend on: (b, c, t) twice to (b,)."""

from dspcore.losses.agreement import AxisAgreement, PhaseAgreement, ProductLoss
from dspcore.losses.bands import band_residuals_db, silence_dbfs
from dspcore.losses.consistency import (
    HarmonicConsistency,
    KDEConsistency,
    WassersteinConsistency,
)
from dspcore.losses.difference import ProximalDifference, RandomPairs, SlopeCosine
from dspcore.losses.group import LossGroup
from dspcore.losses.spectral import FFT_SIZES, MultiResolutionSTFT, MultiscaleSpectral, magnitudes
from dspcore.losses.transport import CumulatedSpectrum, SpectralOptimalTransport, transport
from dspcore.losses.warped import Warped
from dspcore.losses.waveform import (
    ExtremeWeighted,
    RobustLoss,
    SignSwapWeighted,
    Waveform,
    residual_db,
)

__all__ = [
    "FFT_SIZES",
    "AxisAgreement",
    "CumulatedSpectrum",
    "ExtremeWeighted",
    "HarmonicConsistency",
    "KDEConsistency",
    "LossGroup",
    "MultiResolutionSTFT",
    "MultiscaleSpectral",
    "PhaseAgreement",
    "ProductLoss",
    "ProximalDifference",
    "RandomPairs",
    "RobustLoss",
    "SignSwapWeighted",
    "SlopeCosine",
    "SpectralOptimalTransport",
    "Warped",
    "WassersteinConsistency",
    "Waveform",
    "band_residuals_db",
    "magnitudes",
    "residual_db",
    "silence_dbfs",
    "transport",
]

"""Chains and graphs as native plug-ins and as a C library, made of the C++ that training used."""

from dspcore.export.build import CompilerError, Exported, export
from dspcore.export.compiled import compiled, native
from dspcore.export.formats import FORMATS
from dspcore.export.library import Library

__all__ = ["FORMATS", "CompilerError", "Exported", "Library", "compiled", "export", "native"]

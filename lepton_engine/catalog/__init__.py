"""The catalogue of models and data, and the store that holds their verified files."""

from __future__ import annotations

from lepton_engine.catalog.progress import Progress, Report, StoppedError
from lepton_engine.catalog.reader import Catalogue, catalogue, read_catalogue
from lepton_engine.catalog.specs import FileSpec, ModelSpec
from lepton_engine.catalog.store import Store

__all__ = ["Catalogue", "FileSpec", "ModelSpec", "Progress", "Report", "StoppedError", "Store",
           "catalogue", "read_catalogue"]

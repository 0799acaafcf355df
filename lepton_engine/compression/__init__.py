"""How a model is made smaller: recipes, one module a method, and what each step did."""

from lepton_engine.compression.recipe import STEPS, Recipe, Step, StepKind
from lepton_engine.compression.report import ConversionReport, StepReport

__all__ = ["STEPS", "ConversionReport", "Recipe", "Step", "StepKind", "StepReport"]

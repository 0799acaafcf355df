"""How a model is made smaller: the notation of recipes. The methods come with their issue."""

from lepton_engine.compression.recipe import STEPS, Recipe, Step, StepKind

__all__ = ["STEPS", "Recipe", "Step", "StepKind"]

"""Runtimes: one module per way to run a model, behind the protocols of `base`."""

"""What is timed, each in a process of its own; the modules here run in either environment.

Nothing in this package imports lepton_engine at the top: in ``.bench`` there is none of it.
"""

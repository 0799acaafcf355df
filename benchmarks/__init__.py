"""The commands that print the tables of the README. Measured, never asserted."""

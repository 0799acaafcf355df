"""“Teach your own”: a classifier from a person's own labelled texts, within a minute."""

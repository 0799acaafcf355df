"""What one visitor chose, as it stands now."""

from __future__ import annotations

from dataclasses import dataclass, field

from lepton_engine.profiles import DEFAULT


@dataclass
class Session:
    """Kept in one ``gr.State`` and changed in place: Gradio copies a state once a visitor and
    hands out that copy, so that work that runs already sees a language that changes meanwhile.

    ``answered`` are the tabs that showed an answer to a question of this visitor.
    """

    lang: str = "en"
    profile: str = DEFAULT
    answered: set[str] = field(default_factory=set)

"""The application with another default profile: ``python -m benchmarks.serve PROFILE``.

The profile is a choice of each visitor and has no setting; a benchmark of the whole
application needs its endpoints and everything that is loaded beforehand to follow one.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

from lepton_engine import profiles


def main() -> int:
    profile = profiles.checked(sys.argv[1])
    # Before anything that takes the default over is imported.
    profiles.DEFAULT = profile
    profiles._current = ContextVar("lepton_profile", default=profile)
    import app

    return app.main()


if __name__ == "__main__":
    raise SystemExit(main())

"""How many generated histories a law sees: a choice of the run, not of the test.

A law decorates itself with `PURE` if it only computes, with `STORE` if it writes to a ledger.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = {  # profile: (pure, store)
    "dev": (200, 20),
    "ci": (300, 25),
    "soak": (100_000, 100_000),
}

PROFILE = os.environ.get("MODLOG_HYPOTHESIS_PROFILE", "dev")

for _name, (_pure, _) in EXAMPLES.items():
    settings.register_profile(
        _name,
        max_examples=_pure,
        deadline=None,
        # The same histories for everybody: a change is judged by what it changes.
        derandomize=_name == "ci",
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(PROFILE)

PURE = settings(max_examples=EXAMPLES[PROFILE][0])
STORE = settings(max_examples=EXAMPLES[PROFILE][1])

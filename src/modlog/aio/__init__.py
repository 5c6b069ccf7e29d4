"""modlog for asyncio: the same surface with `await`, on threads of its own.

`open` gives an `AsyncModLog`. Of its answers, those that read or write by themselves are an
`AsyncView`, `AsyncRevertPlan`, `AsyncSweepPlan`, `AsyncSweepOutcome`, `AsyncImpact`,
`AsyncReport` or `AsyncReconciliation`.
"""

from modlog.aio._answers import (
    AsyncImpact,
    AsyncReconciliation,
    AsyncReport,
    AsyncRevertPlan,
    AsyncSweepOutcome,
    AsyncSweepPlan,
    AsyncView,
)
from modlog.aio._ledger import AsyncModLog
from modlog.aio._ledger import open_async as open

__all__ = [
    "AsyncImpact",
    "AsyncModLog",
    "AsyncReconciliation",
    "AsyncReport",
    "AsyncRevertPlan",
    "AsyncSweepOutcome",
    "AsyncSweepPlan",
    "AsyncView",
    "open",
]

"""What modlog raises: one tree, so that a caller can catch as widely as it means to.

::

    ModlogError
    ├── InvalidInputError (also a ValueError)   a value that no ledger takes
    │   ├── MissingActorError                   nobody is named as the one who acts
    │   ├── MissingReasonError                  a reason is due and none was given
    │   ├── UnknownArgumentError (TypeError)    a misspelt argument or filter
    │   └── InvalidUrlError                     a database URL that cannot be read
    ├── AccountNotFoundError (LookupError)      no such account, here or in this view
    ├── SweepNotFoundError (LookupError)        no such sweep
    ├── IrreversibleError                       events that no revert can take back
    ├── GuardrailError                          a guardrail stopped it; that is recorded
    ├── SweepStateError                         the sweep is not where this can be done
    ├── RefusedError                            the state of account or ledger forbids it
    │   ├── AccountExistsError                  created already
    │   ├── AccountErasedError                  erased for good
    │   └── NothingInForceError                 nothing there to lift or to clear
    ├── ConflictError                           somebody or something else came first
    │   ├── ConcurrencyError                    another writer changed the account
    │   └── IdempotencyConflictError            a key that belongs to another request
    ├── ImportRejectedError                     a record that a strict import refused
    ├── EvidenceError                           evidence that cannot be read or checked
    │   └── ProofError                          evidence that was checked, and is wrong
    └── StoreError                              the database below
        ├── StoreUnavailableError               away, locked, or not to be opened
        │   └── OutcomeUnknownError             lost while committing: recorded or not
        ├── ReadOnlyStoreError                  may be read, not written
        ├── StoreFullError                      no room left
        ├── SchemaError                         tables of another shape or version
        ├── ArchiveError                        an archive that is damaged, or of something else
        ├── CorruptEventError                   a stored event that cannot be read
        ├── CorruptCacheError                   the current state is damaged: rebuild it
        ├── AppendOnlyError                     an attempt to change what is recorded
        └── ClockError                          the clock and the ledger cannot both be right

A message tells what was expected, what was found, and what to do.
"""

from __future__ import annotations


class ModlogError(Exception):
    """The root of everything that modlog raises on purpose."""


class InvalidInputError(ModlogError, ValueError):
    """A value that no ledger takes; nothing was written."""


class MissingActorError(InvalidInputError):
    """No change without who: neither the call nor `acting` names an actor."""


class MissingReasonError(InvalidInputError):
    """No sanction, reversal or lifting without why: a reason is due."""


class UnknownArgumentError(InvalidInputError, TypeError):
    """An argument, filter or field that does not exist, most often misspelt."""


class InvalidUrlError(InvalidInputError):
    """A database URL that cannot be read."""


class AccountNotFoundError(ModlogError, LookupError):
    """The account is not known, or does not exist at the moment that is asked about."""


class SweepNotFoundError(ModlogError, LookupError):
    """There is no sweep of that name in the ledger."""


class RefusedError(ModlogError):
    """The state of the account, or of the ledger, does not allow it; nothing was written."""


class AccountExistsError(RefusedError):
    """A second creation of an account that exists."""


class AccountErasedError(RefusedError):
    """The account's personal data is gone for good: nothing more is decided on it."""


class NothingInForceError(RefusedError):
    """There is no such sanction to lift, or no such flag to clear."""


class GuardrailError(ModlogError):
    """A guardrail stopped the action; the ledger records that as `action.refused`.

    Attributes:
        rule: the code of the rule.
    """

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class SweepStateError(ModlogError):
    """The sweep is not in a state in which this can be done: not approved, rejected, over."""


class IrreversibleError(ModlogError):
    """All that was selected is beyond reversal, such as an erasure."""


class ConflictError(ModlogError):
    """Something else came first, under the same name or on the same account."""


class ConcurrencyError(ConflictError):
    """The account is not at the version that was expected: another writer was quicker."""


class IdempotencyConflictError(ConflictError):
    """The idempotency key was used before, for another request."""


class ImportRejectedError(ModlogError):
    """A strict import met a record that it cannot take; its chunk was not written.

    Attributes:
        line: the number of the record, from 1.
    """

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


class EvidenceError(ModlogError):
    """A key, note, checkpoint, proof or tile that cannot be read, or cannot be checked."""


class ProofError(EvidenceError):
    """Evidence was checked and is wrong: it does not prove what it says."""


class StoreError(ModlogError):
    """The database cannot do what it was asked to."""


class StoreUnavailableError(StoreError):
    """The database is away, locked by others for too long, or cannot be opened."""


class OutcomeUnknownError(StoreUnavailableError):
    """The connection broke while committing: the events are recorded, or none of them is."""


class ReadOnlyStoreError(StoreError):
    """The database may be read, not written."""


class StoreFullError(StoreError):
    """The disk or the database's quota is full; nothing was written."""


class SchemaError(StoreError):
    """modlog's tables have another shape, or a schema that this modlog cannot work with."""


class ArchiveError(StoreError):
    """An archive is damaged, newer than this modlog, or not of the ledger that it should be of."""


class CorruptEventError(StoreError):
    """A stored event cannot be read back as what its type says it is."""


class CorruptCacheError(StoreError):
    """The tables of the current state are damaged; `rebuild` makes them again from the events."""


class AppendOnlyError(StoreError):
    """An attempt to change, delete or replace what is recorded."""


class ClockError(StoreError):
    """The clock is over five minutes behind the ledger, or ahead of the database server's."""

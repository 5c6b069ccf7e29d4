"""modlog: the ledger of account lifecycle events.

Every change to an account is an event in an append-only store; the current state is a
projection of those events, so a mistaken change is replayed away exactly.
"""

from modlog._domain.account import Account, Sanction, Status
from modlog._domain.blame import Blame
from modlog._domain.events import RecordedEvent
from modlog._domain.evidence.notes import VerifierKey
from modlog._domain.figures import Figures
from modlog._domain.guardrails import Guardrails
from modlog._domain.impacts import Hit, ImpactLine
from modlog._domain.reverts import Remark
from modlog._domain.selection import Selection
from modlog._domain.statements import Measure, MeasureEnd, Statement
from modlog._domain.sweeps import Outcome, SweepState
from modlog._domain.values import Actor
from modlog._errors import (
    AccountErasedError,
    AccountExistsError,
    AccountNotFoundError,
    AppendOnlyError,
    ArchiveError,
    ClockError,
    ConcurrencyError,
    ConflictError,
    CorruptCacheError,
    CorruptEventError,
    EvidenceError,
    GuardrailError,
    IdempotencyConflictError,
    ImportRejectedError,
    InvalidInputError,
    InvalidUrlError,
    IrreversibleError,
    MissingActorError,
    MissingReasonError,
    ModlogError,
    NothingInForceError,
    OutcomeUnknownError,
    ProofError,
    ReadOnlyStoreError,
    RefusedError,
    SchemaError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    SweepNotFoundError,
    SweepStateError,
    UnknownArgumentError,
)
from modlog._services.acting import Circumstances, Given, RevertGiven, SweepGiven, acting
from modlog._services.adoption.outcomes import AdoptOutcome, CreateOutcome
from modlog._services.adoption.reconciling import Difference, Reconciliation
from modlog._services.archive.archives import Archive, open_archive
from modlog._services.archive.archiving import ArchiveOutcome, ArchiveProgress
from modlog._services.archive.restoring import RestoreOutcome, RestoreProgress
from modlog._services.archive.verifying import ArchiveReport
from modlog._services.backups import BackupOutcome, BackupProgress, backup
from modlog._services.evidence.bundles import BundleOutcome, BundleProgress, verify_bundle
from modlog._services.evidence.keys import SigningKey
from modlog._services.evidence.proofs import ProvenEvent, ProvenGrowth, verify_proof
from modlog._services.evidence.proving import ProofOutcome
from modlog._services.evidence.sealing import SealOutcome, SealProgress
from modlog._services.evidence.witnessing import WitnessOutcome, witness
from modlog._services.exports.exporting import ExportOutcome, ExportProgress
from modlog._services.forensics.differences import AccountChange
from modlog._services.forensics.dsa.records import DsaRecord
from modlog._services.forensics.impacts import Impact
from modlog._services.forensics.reports import Report, ReportLine, ReportProgress
from modlog._services.import_outcomes import IngestOutcome, Rejection
from modlog._services.integrity import VerificationReport, VerifyProgress
from modlog._services.ledger import ModLog
from modlog._services.ledger import open_ledger as open
from modlog._services.reverts.plans import RevertLine, RevertOutcome, RevertPlan, RevertProgress
from modlog._services.sweeps.plans import (
    Outlier,
    SweepLine,
    SweepOutcome,
    SweepPlan,
    SweepProgress,
)
from modlog._services.upgrading import UpgradeOutcome, upgrade
from modlog._services.views import View
from modlog._storage.acts import Act
from modlog._storage.checks import Finding
from modlog._storage.clock import AcceptedClock
from modlog._storage.deeds import Deed, Tick
from modlog._storage.impacts import Repair
from modlog._storage.upgrading import Migration

__version__ = "0.1.0"

__all__ = [
    "AcceptedClock",
    "Account",
    "AccountChange",
    "AccountErasedError",
    "AccountExistsError",
    "AccountNotFoundError",
    "Act",
    "Actor",
    "AdoptOutcome",
    "AppendOnlyError",
    "Archive",
    "ArchiveError",
    "ArchiveOutcome",
    "ArchiveProgress",
    "ArchiveReport",
    "BackupOutcome",
    "BackupProgress",
    "Blame",
    "BundleOutcome",
    "BundleProgress",
    "Circumstances",
    "ClockError",
    "ConcurrencyError",
    "ConflictError",
    "CorruptCacheError",
    "CorruptEventError",
    "CreateOutcome",
    "Deed",
    "Difference",
    "DsaRecord",
    "EvidenceError",
    "ExportOutcome",
    "ExportProgress",
    "Figures",
    "Finding",
    "Given",
    "GuardrailError",
    "Guardrails",
    "Hit",
    "IdempotencyConflictError",
    "Impact",
    "ImpactLine",
    "ImportRejectedError",
    "IngestOutcome",
    "InvalidInputError",
    "InvalidUrlError",
    "IrreversibleError",
    "Measure",
    "MeasureEnd",
    "Migration",
    "MissingActorError",
    "MissingReasonError",
    "ModLog",
    "ModlogError",
    "NothingInForceError",
    "Outcome",
    "OutcomeUnknownError",
    "Outlier",
    "ProofError",
    "ProofOutcome",
    "ProvenEvent",
    "ProvenGrowth",
    "ReadOnlyStoreError",
    "Reconciliation",
    "RecordedEvent",
    "RefusedError",
    "Rejection",
    "Remark",
    "Repair",
    "Report",
    "ReportLine",
    "ReportProgress",
    "RestoreOutcome",
    "RestoreProgress",
    "RevertGiven",
    "RevertLine",
    "RevertOutcome",
    "RevertPlan",
    "RevertProgress",
    "Sanction",
    "SchemaError",
    "SealOutcome",
    "SealProgress",
    "Selection",
    "SigningKey",
    "Statement",
    "Status",
    "StoreError",
    "StoreFullError",
    "StoreUnavailableError",
    "SweepGiven",
    "SweepLine",
    "SweepNotFoundError",
    "SweepOutcome",
    "SweepPlan",
    "SweepProgress",
    "SweepState",
    "SweepStateError",
    "Tick",
    "UnknownArgumentError",
    "UpgradeOutcome",
    "VerificationReport",
    "VerifierKey",
    "VerifyProgress",
    "View",
    "WitnessOutcome",
    "acting",
    "backup",
    "open",
    "open_archive",
    "upgrade",
    "verify_bundle",
    "verify_proof",
    "witness",
]

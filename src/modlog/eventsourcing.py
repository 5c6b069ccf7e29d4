"""For programs of the eventsourcing library: a ledger as one of its applications.

A stock `ProjectionRunner` follows a ledger through `LedgerApplication`::

    ProjectionRunner(
        application_class=LedgerApplication,
        projection_class=MyProjection,
        view_class=MyView,
        env={"MODLOG_URL": "sqlite:///moderation.db"},
    )

Its projection is given a `LedgerEvent` for each of the ledger's own events; their topics are
the types of events, such as "account.deleted". A stock `Application` keeps the events of its own
aggregates in a ledger with ``PERSISTENCE_MODULE=modlog.eventsourcing``; they touch no account.

Settings: ``MODLOG_URL`` is what `modlog.open` takes, ``MODLOG_SCHEMA`` its `schema`, which is to
be there; ``MODLOG_CREATE=yes`` makes it. A stock
`Application` lets variables of the process override its own settings; `LedgerApplication` looks
at none of them: pass ``env=os.environ`` to have them. Ciphers, compressors, transcoders and
mappers that are set are for the events of aggregates alone.

Names: `Factory`, `LedgerApplication`, `LedgerEvent`, `LedgerMapper`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Never, TypeVar
from uuid import UUID

import orjson
from attrs import frozen
from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    InfrastructureFactory,
    Mapper,
    NotSupportedError,
    ProgrammingError,
    StoredEvent,
    TrackingRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment, EnvType

from modlog._domain.events import RecordedEvent, SweepEvent, event_of
from modlog._domain.values import (
    Actor,
    checked_id,
    checked_whole,
    is_mapping,
    parsed_instant,
    shown,
)
from modlog._errors import CorruptEventError, InvalidInputError, InvalidUrlError
from modlog._services.ledger import ModLog, open_ledger
from modlog._storage.codec import is_own_type
from modlog._storage.recorder import LedgerRecorder

__all__ = ["Factory", "LedgerApplication", "LedgerEvent", "LedgerMapper"]

_URL: Final = "MODLOG_URL"
_SCHEMA: Final = "MODLOG_SCHEMA"
_CREATE: Final = "MODLOG_CREATE"

_Id = TypeVar("_Id", bound=UUID | str)


@frozen(kw_only=True)
class LedgerEvent(RecordedEvent):
    """An event of the ledger, with the two names under which the library looks for its place."""

    @property
    def originator_id(self) -> str:
        """The account's id, or the sweep's."""
        stream = self.batch_id if self.account_id is None else self.account_id
        assert stream is not None, "an event belongs to an account or to a sweep"
        return stream

    @property
    def originator_version(self) -> int:
        """The event's version."""
        return self.version


class LedgerMapper(Mapper[Any]):
    """Reads the ledger's own events, and leaves those of aggregates to another mapper."""

    def __init__(self, others: Mapper[Any]) -> None:
        super().__init__(others.transcoder, others.compressor, others.cipher)
        self._others = others

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[Any]:
        """The event in a stored event or notification.

        Raises:
            CorruptEventError: an event of the ledger's own that cannot be read.
        """
        if is_own_type(stored_event.topic):
            return _ledger_event(stored_event)
        return self._others.to_domain_event(stored_event)

    def to_stored_event(self, domain_event: DomainEventProtocol[Any]) -> StoredEvent:
        """An aggregate's event as it is stored.

        Raises:
            ProgrammingError: an event of the ledger's own, which only its commands record.
        """
        if isinstance(domain_event, LedgerEvent):
            raise ProgrammingError(
                f"{domain_event.type} is one of modlog's own types: use the ledger's commands"
            )
        return self._others.to_stored_event(domain_event)


def _ledger_event(stored: StoredEvent) -> LedgerEvent:
    """The event whose envelope is the JSON that `log.recorder` gives as its state."""
    try:
        fields = orjson.loads(stored.state)
        event = event_of(stored.topic, fields.pop("data"))
        account_id = checked_id(stored.originator_id, "originator_id")
        return LedgerEvent(
            account_id=None if isinstance(event, SweepEvent) else account_id,
            version=checked_whole(stored.originator_version, "originator_version"),
            event=event,
            actor=Actor.parsed(fields.pop("actor")),
            recorded_at=parsed_instant(fields.pop("recorded_at"), "recorded_at"),
            occurred_at=parsed_instant(fields.pop("occurred_at"), "occurred_at"),
            **fields,
        )
    except (InvalidInputError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptEventError(
            f"a stored event of type {stored.topic} is not what log.recorder gives: {error}"
        ) from error


class Factory(InfrastructureFactory[TrackingRecorder]):
    """What ``PERSISTENCE_MODULE=modlog.eventsourcing`` stands for: one ledger, opened on demand."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(_checked_env(env))
        self._ledger: ModLog | None = None

    @property
    def ledger(self) -> ModLog:
        """The ledger that the settings name.

        Raises:
            InvalidUrlError: ``MODLOG_URL`` is not set, or cannot be read.
        """
        if self._ledger is None:
            url = self.env.get(_URL)
            if not url:
                raise InvalidUrlError(
                    f"{_URL} is not set: put the ledger's URL, as modlog.open takes it, into the "
                    "application's env"
                )
            self._ledger = open_ledger(
                url,
                schema=self.env.get(_SCHEMA) or None,
                create=self.env.get(_CREATE) == "yes",
            )
        return self._ledger

    def close(self) -> None:
        """Close the ledger, if it was opened."""
        if self._ledger is not None:
            self._ledger.close()

    def application_recorder(self) -> LedgerRecorder:
        """The ledger's recorder."""
        return self.ledger.recorder

    def mapper(
        self,
        transcoder: Transcoder | None = None,
        mapper_class: type[Mapper[_Id]] | None = None,
    ) -> LedgerMapper:
        """A mapper for the ledger's events, and for those of aggregates the one that is set."""
        return LedgerMapper(super().mapper(transcoder, mapper_class))

    def aggregate_recorder(self, purpose: str = "events") -> Never:
        """Refused: a ledger has no place for snapshots.

        Raises:
            NotSupportedError: always.
        """
        _refuse(
            f"{shown(purpose)} in a table of their own",
            "leave snapshotting off; log.account(id) has the current state without it",
        )

    def tracking_recorder(
        self,
        tracking_recorder_class: type[Any] | None = None,  # noqa: ARG002
    ) -> Never:
        """Refused: a view is a cache, and what is in a ledger stays for ever.

        Raises:
            NotSupportedError: always.
        """
        _refuse(
            "a projection's view",
            "set PERSISTENCE_MODULE, or <NAME OF THE PROJECTION>_PERSISTENCE_MODULE, to "
            "eventsourcing.sqlite, eventsourcing.postgres or eventsourcing.popo for the view; "
            "LedgerApplication finds the ledger without it",
        )

    def process_recorder(self) -> Never:
        """Refused: a ledger keeps no track of other applications.

        Raises:
            NotSupportedError: always.
        """
        _refuse(
            "an application that follows others",
            "give it a store of its own with <NAME OF THE APPLICATION>_PERSISTENCE_MODULE",
        )


def _checked_env(env: EnvType | None) -> EnvType | None:
    """Settings, if there are any.

    Raises:
        InvalidInputError: no mapping.
    """
    if env is not None and not is_mapping(env):
        raise InvalidInputError(f"env must be a mapping of settings, not {shown(env)}")
    return env


def _refuse(what: str, instead: str) -> Never:
    raise NotSupportedError(f"a modlog ledger does not store {what}: {instead}")


class LedgerApplication(Application[str]):
    """A ledger as an application that projections follow.

    Its settings come from its `env` argument and its class alone. Closing it closes the ledger.
    """

    # Stands in the tracking rows of those who follow, so it must not change.
    name = "modlog"
    env: ClassVar[dict[str, str]] = {}
    factory: Factory

    @property
    def ledger(self) -> ModLog:
        """The ledger, for commands and questions."""
        return self.factory.ledger

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """The settings: those of the class, overridden by those that are given."""
        return Environment(name, {**type(self).env, **(_checked_env(env) or {})})

    def construct_factory(self, env: Environment) -> Factory:
        """A ledger's, whatever store ``PERSISTENCE_MODULE`` names for views."""
        return Factory(env)

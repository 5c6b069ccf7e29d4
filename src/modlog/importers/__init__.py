"""What other systems write down of their moderation, as records that a ledger imports.

Each module reads one system's own format, and gives records for `ModLog.ingest`::

    from modlog.importers import mediawiki

    log.ingest(mediawiki.records("pages-logging.xml.gz"), on_refused="note")

- `mediawiki`: the block log of a wiki, as a dump or as answers of its API;
- `mastodon`: the audit log and the strikes of a Mastodon server;
- `ozone`: the moderation events of Bluesky's Ozone.

Every record has a key made of the source's own id, so that a file, or one that overlaps with it,
may be imported any number of times. What has no meaning for an account's state becomes a note. What
cannot be read at all is given as `Unreadable`, which an import rejects with its reason.
"""

from modlog._services.records import Unreadable
from modlog.importers._reading import Source

__all__ = ["Source", "Unreadable"]

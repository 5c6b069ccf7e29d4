"""What a wiki writes down of blocks: a dump of its log, and answers of its API."""

from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def php(value):
    """A value as PHP serializes it."""
    if isinstance(value, bool):
        return f"b:{int(value)};"
    if isinstance(value, int):
        return f"i:{value};"
    if value is None:
        return "N;"
    if isinstance(value, str):
        return f's:{len(value.encode())}:"{value}";'
    if isinstance(value, list):
        value = dict(enumerate(value))
    return f"a:{len(value)}:{{{''.join(php(k) + php(v) for k, v in value.items())}}}"


def params(duration, flags="", sitewide=True, **more):
    return php({"5::duration": duration, "6::flags": flags, "sitewide": sitewide, **more})


def item(number, action, title="User:Bob", *, after=0, user="Ann", type_="block", **texts):
    """A logitem; what is None is not there."""
    elements = {
        "id": str(number),
        "timestamp": f"{T0 + timedelta(seconds=after):%Y-%m-%dT%H:%M:%SZ}",
        "comment": "spam",
        "type": type_,
        "action": action,
        "logtitle": title,
        "params": "",
        **texts,
    }
    told = "".join(
        f"<{name}>{escape(text)}</{name}>" for name, text in elements.items() if text is not None
    )
    who = '<contributor deleted="deleted" />'
    if user:
        who = f"<contributor><username>{user}</username><id>9</id></contributor>"
    return f"  <logitem>{who}{told}</logitem>\n"


def dump(*items):
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11">\n'
        "  <siteinfo><dbname>testwiki</dbname></siteinfo>\n" + "".join(items) + "</mediawiki>\n"
    ).encode()


def event(number, action, title="User:Bob", after=0, **fields):
    """An event as the API gives it."""
    return {
        "logid": number,
        "ns": 2,
        "title": title,
        "params": {},
        "type": "block",
        "action": action,
        "user": "Ann",
        "timestamp": f"{T0 + timedelta(seconds=after):%Y-%m-%dT%H:%M:%SZ}",
        "comment": "spam",
    } | fields


def answer(*events):
    return {"batchcomplete": True, "query": {"logevents": list(events)}}

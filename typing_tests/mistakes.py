"""What a slip of the pen writes. Each line with an `error:` is one that both type checkers tell of.

Behind it stand the code of mypy and the rule of pyright.
"""

import sqlite3
from typing import Unpack

from fastapi import FastAPI

import modlog
import modlog.aio
import modlog.asgi
from modlog import Actor, Given, Selection
from modlog.aio import AsyncModLog

WAN = Actor.human("wan")


def names(log: modlog.ModLog) -> None:
    Selection(actr="wan")  # error: call-arg reportCallIssue
    Selection(batch="march")  # error: call-arg reportCallIssue
    with modlog.acting(WAN, reson="spam"):  # error: call-arg reportCallIssue
        pass
    with modlog.acting(WAN, idempotency_key="k"):  # error: call-arg reportCallIssue
        pass
    log.plan_sweep(["1"], "delete", resaon="spam")  # error: call-arg reportCallIssue
    log.plan_sweep(["1"], "delete", occurred_at=None)  # error: call-arg reportCallIssue
    log.delete("1", reason="spam", batch="march")  # error: call-arg reportCallIssue
    log.suspend("1", util=None)  # error: call-arg reportCallIssue
    log.revert(Selection(batch_id="march"), reson="x")  # error: call-arg reportCallIssue
    log.plan_revert(Selection(batch_id="march")).apply(reson="x")  # error: call-arg reportCallIssue
    log.sweep("march").approve(acter=WAN)  # error: call-arg reportCallIssue
    log.sweep("march").reject(why="x")  # error: call-arg reportCallIssue


def values(log: modlog.ModLog) -> None:
    log.delete(110018)  # error: arg-type reportArgumentType
    log.delete("1", actor="wan")  # error: arg-type reportArgumentType
    log.flag("1", "spam", confidence="high")  # error: arg-type reportArgumentType
    log.suspend("1", until="2027-01-01")  # error: arg-type reportArgumentType
    log.as_of(1, clock="wall")  # error: arg-type reportArgumentType
    log.stats(by="week")  # error: arg-type reportArgumentType
    log.revert(None, reason="x")  # error: arg-type reportArgumentType
    with modlog.acting("wan"):  # error: arg-type reportArgumentType
        pass
    with modlog.acting(WAN, metadata="ip"):  # error: arg-type reportArgumentType
        pass
    Selection(since="yesterday")  # error: arg-type reportArgumentType
    Actor(kind="person", id="wan")  # error: arg-type reportArgumentType


def answers(log: modlog.ModLog) -> None:
    log.account("1").version()  # error: operator reportCallIssue
    log.account("1").status = modlog.Status.ACTIVE  # error: misc reportAttributeAccessIssue
    log.account("1").profile["nickname"] = "Lei"  # error: index reportIndexIssue


def own(log: modlog.ModLog, **given: Unpack[Given]) -> None:
    log.delete("1", **given)
    own(log, reson="spam")  # error: call-arg reportCallIssue


async def awaited(log: AsyncModLog) -> None:
    await log.delete("1", resaon="spam")  # error: call-arg reportCallIssue
    await log.plan_sweep(["1"], "delete", resaon="spam")  # error: call-arg reportCallIssue
    await log.revert(Selection(batch_id="b"), resaon="x")  # error: call-arg reportCallIssue
    await (await log.sweep("march")).approve(acter=WAN)  # error: call-arg reportCallIssue
    modlog.aio.open("sqlite://", readonly=True)  # error: call-arg reportCallIssue


def wrong_way_round(event: modlog.RecordedEvent, cursor: sqlite3.Cursor) -> None:
    raise NotImplementedError


def projections(log: modlog.ModLog, own: sqlite3.Connection) -> None:
    log.project(wrong_way_round, own, "n")  # error: arg-type reportArgumentType
    log.project(print, own, "n", selecton=None)  # error: call-arg reportCallIssue


def application(app: FastAPI) -> None:
    middleware = modlog.asgi.ActingMiddleware
    app.add_middleware(middleware, actor=WAN, reson="x")  # error: call-arg reportCallIssue

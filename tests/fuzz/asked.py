"""Who asks, as Schemathesis is told of it, and what it tells afterwards: how often what was asked, as whom.

To draw a case takes several times as long as to send it. So each is drawn once, and sent as every role: the one whose
key Schemathesis has, and then the others.
"""

import atexit
import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

import schemathesis
from msgspec import Struct, json
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.checks import run_checks
from schemathesis.core.failures import Failure

from tests.fuzz.likely import make_likelier

TOLD_IN: Final = "FUZZ_ASKERS"
"""The variable of the environment that names the file of an `Askers`; without it one role asks, and nothing is told."""


class Askers(Struct, frozen=True):
    """The role whose key is shown anyway, the keys of the others, and where it is told what was asked.

    `spared` are things without which nobody could ask any more: the keys and users that ask, and their roles. `things`
    are there to be asked for, by the parameter that names them in a path.
    """

    role: str
    others: dict[str, str]
    spared: frozenset[str]
    things: dict[str, str]
    tally: str


class Told(Struct, frozen=True):
    """How often an operation answered a role with a status; cases of the method it has, and no others."""

    operation: str
    role: str
    status: int
    times: int


_FILE: Final = os.environ.get(TOLD_IN)
_ASKERS: Final = json.decode(Path(_FILE).read_bytes(), type=Askers) if _FILE else None
_SPARED_BY: Final = frozenset({"delete", "put", "patch", "post"})
_counts: Final[Counter[tuple[str, str, int]]] = Counter()


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], kwargs: object) -> None:
    """Ask for what is there, and keep whoever asks from being banned, revoked or left without permissions."""
    if _ASKERS is None:
        return
    make_likelier(case, _ASKERS.things)
    if case.method.lower() not in _SPARED_BY:
        return
    for name, value in (case.path_parameters or {}).items():
        if value in _ASKERS.spared:
            case.path_parameters[name] = "moderator" if name == "role" else f"{value.split('_')[0]}_{'0' * 32}"


@schemathesis.check
def holds_for_all_who_ask(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """The same case as each of the other roles, held to all the checks that the first is held to."""
    if _ASKERS is None:
        return None
    _count(case, _ASKERS.role, response)
    sent = dict(ctx.internals.transport_kwargs or {})
    failed: list[str] = []
    for role, key in _ASKERS.others.items():
        sent["headers"] = {**(sent.get("headers") or {}), "Authorization": f"Bearer {key}"}
        answer = case.call(**sent)
        _count(case, role, answer)
        failed += _failures(ctx, case, role, answer)
    if failed:
        raise AssertionError("\n".join(failed))
    return None


def _failures(ctx: CheckContext, case: Case[Any], role: str, answer: Response) -> list[str]:
    told: list[str] = []

    def tell(name: str, _: set[Failure], failure: Failure) -> None:
        told.append(f"As {role}, {name}: {failure.title}. {failure.message} {answer.status_code}: {answer.text[:500]}")

    checks = [check for check in ctx.internals.checks if check is not holds_for_all_who_ask]
    run_checks(case=case, response=answer, ctx=ctx, checks=checks, on_failure=tell)
    return told


def _count(case: Case[Any], role: str, response: Response) -> None:
    # another method than the operation's is another question
    if case.method.upper() == case.operation.method.upper():
        name = case.operation.definition.raw.get("operationId", case.operation.label)
        _counts[name, role, response.status_code] += 1


@atexit.register
def _tell() -> None:
    if _ASKERS is not None:
        told = [Told(*key, times) for key, times in sorted(_counts.items())]
        Path(_ASKERS.tally).write_bytes(json.encode(told))

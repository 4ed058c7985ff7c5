"""The stand-in's batches: made, looked at, listed and cancelled as Gemini's are, ending as they are told to."""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from tests.support.gemini_answers import error_body, objection, plausible, whole
from tests.support.gemini_script import Asked, JsonObject, Says, Wanted

_MAKE: Final = re.compile(r"/v1beta/models/(?P<model>[\w.-]+):batchGenerateContent")
_ONE: Final = re.compile(r"/v1beta/(?P<name>batches/[\w-]+)(?P<cancel>:cancel)?")
_LIST: Final = "/v1beta/batches"


class BatchStep(Struct, frozen=True, kw_only=True):
    """What becomes of one batch: it ends at look number `looks`, as `state`.

    `errors` are the places that get an error, `blank` those that get nothing, `says` what others say in place of an
    answer that fits. `vanishes`: it is made, and who made it is not told. `is_quicker` than whoever cancels it.
    """

    looks: int = 1
    state: str = "SUCCEEDED"
    errors: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()
    says: dict[int, str] = {}
    reverse: bool = False
    vanishes: bool = False
    is_quicker: bool = False
    refuses: int | None = None


class _Request(Struct, frozen=True, forbid_unknown_fields=True):
    request: Wanted
    metadata: dict[str, str]


class _Requests(Struct, frozen=True, forbid_unknown_fields=True):
    requests: tuple[_Request, ...]


class _InputConfig(Struct, frozen=True, forbid_unknown_fields=True):
    requests: _Requests


class _Batch(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    display_name: str
    input_config: _InputConfig


class _Making(Struct, frozen=True, forbid_unknown_fields=True):
    batch: _Batch


class MadeBatch(Struct, kw_only=True):
    """A batch as the stand-in keeps it."""

    name: str
    display_name: str
    asked: list[Asked]
    keys: list[str]
    step: BatchStep
    looks: int = 0
    is_cancelled: bool = False

    @property
    def state(self) -> str:
        """Where it stands."""
        if self.is_cancelled:
            return self.step.state if self.step.is_quicker else "CANCELLED"
        return self.step.state if self.looks >= self.step.looks else "RUNNING"


class BatchDesk(Struct, kw_only=True):
    """All the batches of a stand-in; each takes the next step of `script`, and past the last ends well at once.

    While it `is_away`, nothing is to be had.
    """

    script: list[BatchStep] = field(default_factory=list)
    made: list[MadeBatch] = field(default_factory=list)
    is_away: bool = False

    def is_asked(self, path: str) -> bool:
        """Whether a path is one of the batches'."""
        return bool(path == _LIST or _MAKE.fullmatch(path) or _ONE.fullmatch(path))

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, JsonObject] | None:
        """Status and body; None: the connection breaks."""
        if self.is_away:
            return 503, error_body(503, "", "Told to be away.")
        if found := _MAKE.fullmatch(path):
            return self._make(found["model"], path, body)
        if path == _LIST:
            return 200, {"operations": [_shown(one) for one in reversed(self.made)]}
        found = _ONE.fullmatch(path)
        one = next((one for one in self.made if found and one.name == found["name"]), None)
        if one is None:
            return 404, error_body(404, "", f"{path} is not found.")
        if found and found["cancel"]:
            one.is_cancelled = True
            return 200, {}
        assert method == "GET"
        one.looks += 1
        return 200, _shown(one)

    def _make(self, model: str, path: str, body: bytes) -> tuple[int, JsonObject] | None:
        step = self.script.pop(0) if self.script else BatchStep()
        if step.refuses is not None:
            return step.refuses, error_body(step.refuses, "", "Told to refuse.")
        try:
            batch = msgspec.json.decode(body, type=_Making).batch
        except msgspec.DecodeError as error:
            return 400, error_body(400, "", f"Invalid JSON payload received. {error}")
        requests = batch.input_config.requests.requests
        asked = [
            Asked(path=path, query="", model=model, verb="batch", headers={}, wanted=one.request) for one in requests
        ]
        if wrong := next(filter(None, map(objection, asked)), None):
            return 400, error_body(400, "", wrong)
        made = MadeBatch(
            name=f"batches/made-{len(self.made) + 1}",
            display_name=batch.display_name,
            asked=asked,
            keys=[one.metadata["key"] for one in requests],
            step=step,
        )
        self.made.append(made)
        return None if step.vanishes else (200, _shown(made))


def _shown(one: MadeBatch) -> JsonObject:
    metadata: JsonObject = {"displayName": one.display_name, "state": f"BATCH_STATE_{one.state}"}
    if one.state == "SUCCEEDED":
        answers = [_answered(one, place) for place in range(len(one.asked))]
        if one.step.reverse:
            answers.reverse()
        metadata["output"] = {"inlinedResponses": {"inlinedResponses": answers}}
    return {"name": one.name, "metadata": metadata, "done": one.state != "RUNNING"}


def _answered(one: MadeBatch, place: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"metadata": {"key": one.keys[place]}}
    if place in one.step.errors:
        return answer | {"error": {"code": 13, "message": "Told to fail."}}
    if place in one.step.blank:
        return answer
    asked = one.asked[place]
    said = Says(text=one.step.says[place]) if place in one.step.says else plausible(asked)
    return answer | {"response": whole(asked, said)}

"""Gemini's batches through Google's SDK: many questions at once, answered within a day at half the price.

Importing this module costs what `gemini_client` does.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from google.genai.types import (
    BatchJob,
    CreateBatchJobConfig,
    InlinedRequest,
    InlinedResponse,
    ListBatchJobsConfig,
)

from domain.errors import HeadraceError
from domain.text.cost import BATCH_ENGINE
from providers.text.batch_answers import BatchAnswer, Look
from providers.text.gemini_client import config_of, contents_of, usage_of, words_of
from providers.text.gemini_connection import GeminiConnection
from providers.text.gemini_errors import meaning_of
from providers.text.gemini_schema import Question
from providers.text.provider import ProviderAnswerMalformed

API_VERSION: Final = "v1beta"  # where the batches are
TIMEOUT_SECONDS: Final = 60.0

_SUCCEEDED: Final = "JOB_STATE_SUCCEEDED"
_ENDED: Final = frozenset(
    {_SUCCEEDED, "JOB_STATE_PARTIALLY_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"}
)
_KEY: Final = "key"
_PAGE: Final = 100
_MOST_LISTED: Final = 2_000

T = TypeVar("T")

for _model in (BatchJob, InlinedRequest, InlinedResponse):
    _model.model_rebuild()


class _Batches(Protocol):
    """The calls made; the SDK's own signatures name types of packages that need not be there."""

    async def create(self, *, model: str, src: list[InlinedRequest], config: CreateBatchJobConfig) -> BatchJob: ...

    async def get(self, *, name: str) -> BatchJob: ...

    async def list(self, *, config: ListBatchJobsConfig) -> AsyncIterator[BatchJob]: ...

    async def cancel(self, *, name: str) -> None: ...


class GeminiBatches:
    """Batches of one key's. Every call raises the provider's errors only, never with the key in them."""

    def __init__(self, api_key: str, *, base_url: str | None) -> None:
        self._key = api_key
        self._connection = GeminiConnection(
            api_key, base_url=base_url, api_version=API_VERSION, timeout_seconds=TIMEOUT_SECONDS
        )
        self._batches: _Batches = self._connection.aio.batches

    async def find(self, display_name: str) -> str | None:
        """The name of the batch that was made under this display name; None: none was, as far back as is looked."""

        async def look() -> str | None:
            seen = 0
            async for batch in await self._batches.list(config=ListBatchJobsConfig(page_size=_PAGE)):
                seen += 1
                if batch.display_name == display_name:
                    return batch.name
                if seen >= _MOST_LISTED:
                    break
            return None

        return await self._told(look())

    async def send(self, display_name: str, model: str, questions: Mapping[str, Question]) -> str:
        """Make a batch of the questions, each under its key; answers with its name."""
        requests = [
            InlinedRequest(
                contents=list(contents_of(question.prompt)), config=config_of(question), metadata={_KEY: key}
            )
            for key, question in questions.items()
        ]
        made = await self._told(
            self._batches.create(model=model, src=requests, config=CreateBatchJobConfig(display_name=display_name))
        )
        if not made.name:
            raise ProviderAnswerMalformed("Gemini made a batch without a name.")
        return made.name

    async def look(self, name: str, model: str, versions: Mapping[str, str]) -> Look:
        """How a batch stands. Its answers are told apart by their keys; `versions` are those of the prompts, by key."""
        batch = await self._told(self._batches.get(name=name))
        state = "" if batch.state is None else str(batch.state.value)
        if state not in _ENDED:
            return Look(outcome=None)
        given = (batch.dest.inlined_responses if batch.dest else None) or []
        answers = [
            _answer(key, one, model, versions[key])
            for one in given
            if (key := (one.metadata or {}).get(_KEY, "")) in versions
        ]
        return Look(outcome=state.removeprefix("JOB_STATE_").lower(), answers=answers)

    async def cancel(self, name: str) -> None:
        """Ask that a batch be stopped; what it has answered by then is paid."""
        await self._told(self._batches.cancel(name=name))

    async def aclose(self) -> None:
        """Close every connection; twice is fine."""
        await self._connection.aclose()

    async def _told(self, asking: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await asking
        except Exception as raised:  # noqa: BLE001 - the SDK's errors are no closed set, and none may get out
            failure = meaning_of(raised, key=self._key)
        raise failure


def _answer(key: str, given: InlinedResponse, model: str, version: str) -> BatchAnswer:
    response: Any = given.response
    if response is None:
        return BatchAnswer(key=key, text=None, usage=None)
    text = None
    with suppress(HeadraceError):
        text = words_of(response)
    return BatchAnswer(
        key=key, text=text, usage=usage_of(response, engine=BATCH_ENGINE, model=model, prompt_version=version)
    )

"""One question to Gemini through Google's SDK, and its answer. Importing this module costs 400 ms and 64 MB."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Protocol

from google.genai.types import (
    AutomaticFunctionCallingConfig,
    Content,
    GenerateContentConfig,
    GenerateContentResponse,
    HarmBlockThreshold,
    HarmCategory,
    HttpOptions,
    Part,
    SafetySetting,
)

from domain.text.prompts import Prompt
from providers.text.gemini_answers import AnswerCutShort
from providers.text.gemini_connection import GeminiConnection, milliseconds
from providers.text.gemini_errors import meaning_of, objection_to
from providers.text.gemini_schema import Question, Said
from providers.text.provider import ProviderAnswerMalformed, ProviderBlocked, Usage, billed

API_VERSION: Final = "v1"
MOST_ANSWER_CHARS: Final = 200_000
STREAM_TIMEOUTS: Final = 10  # a stream may take this many times the timeout, though no silence longer than one

# A moderator has to read what a filter would hide.
_UNFILTERED: Final = [
    SafetySetting(category=category, threshold=HarmBlockThreshold.BLOCK_NONE)
    for category in (
        HarmCategory.HARM_CATEGORY_HARASSMENT,
        HarmCategory.HARM_CATEGORY_HATE_SPEECH,
        HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT,
        HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT,
    )
]

# Pydantic builds a model on its first use, which would stop the event loop for a quarter of a second; better now.
for _model in (Content, GenerateContentConfig, GenerateContentResponse):
    _model.model_rebuild()


class _Models(Protocol):
    """The two calls made; the SDK's own signatures name types of packages that need not be there."""

    async def generate_content(
        self, *, model: str, contents: list[Content], config: GenerateContentConfig
    ) -> GenerateContentResponse: ...

    async def generate_content_stream(
        self, *, model: str, contents: list[Content], config: GenerateContentConfig
    ) -> AsyncIterator[GenerateContentResponse]: ...


_Arrived = asyncio.Queue[GenerateContentResponse | None]


class GeminiClient:
    """Asks one model. Every call raises the provider's errors only, never with the key in them.

    An answer has `timeout_seconds` to come whole; in a stream no silence may last longer. Made on the event loop that
    it is used on.
    """

    def __init__(self, api_key: str, *, base_url: str | None, model: str, timeout_seconds: float) -> None:
        self._key = api_key
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._connection = GeminiConnection(
            api_key, base_url=base_url, api_version=API_VERSION, timeout_seconds=timeout_seconds
        )
        self._models: _Models = self._connection.aio.models

    async def ask(self, question: Question) -> Said:
        """The whole answer."""
        try:
            async with asyncio.timeout(self._patience(question)):
                response = await self._models.generate_content(
                    model=question.model or self._model,
                    contents=contents_of(question.prompt),
                    config=self._configured(question),
                )
        except Exception as raised:  # noqa: BLE001 - the SDK's errors are no closed set, and none may get out
            failure = meaning_of(raised, key=self._key)
        else:
            return self._whole(response, question)
        raise failure

    async def stream(self, question: Question) -> AsyncGenerator[Said]:
        """The answer piece by piece. It ended well only if the iteration ends without an error."""
        arrived: _Arrived = asyncio.Queue()
        # A task, for the SDK closes a stream given up early only when its reading is cancelled: closing its generators
        # leaves the connection to the garbage collector. So nothing may be cancelled in there but reading.
        reading = asyncio.create_task(self._read(question, arrived))
        finish: str | None = None
        try:
            while (response := await self._next(arrived, reading, question)) is not None:
                usage = self._usage_of(response, question)
                with billed(usage):
                    finish = _finish_of(response) or finish
                    text = _text_of(response)
                yield Said(text, usage)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if finish is None:
            raise ProviderAnswerMalformed("Gemini's answer broke off without an end.")

    async def aclose(self) -> None:
        """Close every connection; twice is fine."""
        await self._connection.aclose()

    async def _read(self, question: Question, arrived: _Arrived) -> None:
        config = config_of(question)
        config.http_options = HttpOptions(timeout=milliseconds(self._patience(question) * STREAM_TIMEOUTS))
        try:
            async for response in await self._models.generate_content_stream(
                model=question.model or self._model, contents=contents_of(question.prompt), config=config
            ):
                arrived.put_nowait(response)
                await _step_aside()
        finally:
            arrived.put_nowait(None)

    async def _next(
        self, arrived: _Arrived, reading: asyncio.Task[None], question: Question
    ) -> GenerateContentResponse | None:
        try:
            async with asyncio.timeout(self._patience(question)):
                response = await arrived.get()
                if response is None:
                    await reading
        except Exception as raised:  # noqa: BLE001 - as above
            failure = meaning_of(raised, key=self._key)
        else:
            return response
        raise failure

    def _patience(self, question: Question) -> float:
        return question.timeout_seconds or self._timeout_seconds

    def _configured(self, question: Question) -> GenerateContentConfig:
        config = config_of(question)
        if question.timeout_seconds is not None:
            config.http_options = HttpOptions(timeout=milliseconds(question.timeout_seconds))
        return config

    def _whole(self, response: GenerateContentResponse, question: Question) -> Said:
        usage = self._usage_of(response, question)
        with billed(usage):
            text = words_of(response)
        return Said(text, usage)

    def _usage_of(self, response: GenerateContentResponse, question: Question) -> Usage | None:
        return usage_of(
            response, engine="gemini", model=question.model or self._model, prompt_version=question.prompt.version
        )


async def _step_aside() -> None:
    """Let what has come be passed on before more is read: where much comes at once, the first word waits for nothing.

    Cancelled in here, the reading goes on to its next wait, and is cancelled there: so the SDK closes its connection.
    """
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        reading = asyncio.current_task()
        assert reading is not None  # noqa: S101 - a coroutine runs in one
        reading.cancel()


def usage_of(response: GenerateContentResponse, *, engine: str, model: str, prompt_version: str) -> Usage | None:
    """What an answer cost, as far as it tells."""
    counted = response.usage_metadata
    if counted is None:
        return None
    return Usage(
        engine=engine,
        model=model,
        prompt_version=prompt_version,
        prompt_tokens=counted.prompt_token_count or 0,
        output_tokens=(counted.candidates_token_count or 0) + (counted.thoughts_token_count or 0),
    )


def words_of(response: GenerateContentResponse) -> str:
    """What a whole answer says.

    Raises:
        ProviderBlocked, ProviderAnswerMalformed, ProviderRefused: it says nothing that can be used.
    """
    _finish_of(response)
    text = _text_of(response)
    if not text:
        raise ProviderAnswerMalformed("Gemini's answer was empty.")
    return text


def _finish_of(response: GenerateContentResponse) -> str | None:
    blocked = response.prompt_feedback.block_reason if response.prompt_feedback else None
    if blocked is not None:
        raise ProviderBlocked(f"Gemini blocked the prompt: {blocked.value}.")
    reason = response.candidates[0].finish_reason if response.candidates else None
    objection = None if reason is None else objection_to(reason.value)
    if objection is not None:
        raise objection
    return None if reason is None else reason.value


def _text_of(response: GenerateContentResponse) -> str:
    content = response.candidates[0].content if response.candidates else None
    parts = (content.parts if content else None) or ()
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if len(text) > MOST_ANSWER_CHARS:
        raise AnswerCutShort(f"Gemini's answer has {len(text)} characters; at most {MOST_ANSWER_CHARS} are taken.")
    return text


def contents_of(prompt: Prompt) -> list[Content]:
    """The turns of a prompt, as the SDK takes them."""
    return [
        Content(role="user" if message.role == "user" else "model", parts=[Part(text=message.text)])
        for message in prompt.messages
    ]


def config_of(question: Question) -> GenerateContentConfig:
    """How a question is to be answered, as the SDK takes it."""
    return GenerateContentConfig(
        system_instruction=question.prompt.system,
        max_output_tokens=question.most_tokens,
        temperature=question.temperature,
        response_mime_type=None if question.schema is None else "application/json",
        response_json_schema=question.schema,
        safety_settings=_UNFILTERED if question.unfiltered else None,
        automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,  # else the SDK asks again by itself, past our limit of tokens
    )

"""Gemini as a text provider: each kind is one question with a schema, answered strictly or not at all."""

import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, Protocol, TypeVar

import msgspec

from domain.chat.conversation import ChatMessage
from domain.text.classify import Classification, Classify
from domain.text.cost import Parameters
from domain.text.generate import Generate, Generated
from domain.text.moderate import Moderate, Moderation
from domain.text.prompts import (
    Marks,
    classify_prompt,
    generate_prompt,
    merge_prompt,
    moderate_prompt,
    repair_prompt,
    reply_prompt,
    summarize_prompt,
)
from domain.text.summarize import Summarize, Summary
from providers.text.gemini_answers import (
    ENGINE,
    AnswerCutShort,
    Unfit,
    choices_of,
    classification_of,
    generated_of,
    moderation_of,
    plain,
    summary_of,
)
from providers.text.gemini_schema import (
    ClassificationFilled,
    FilledT,
    GeneratedFilled,
    ModerationFilled,
    Question,
    Said,
    SummaryFilled,
    schema_of,
)
from providers.text.gemini_screen import Screen, refuse_marks
from providers.text.provider import (
    Answer,
    Costly,
    ProviderAnswerMalformed,
    ProviderRefused,
    ReplyPart,
    Usage,
    billed,
    sum_of,
)
from providers.text.wordings import read_wordings

ResultT = TypeVar("ResultT")

MOST_REPLY_CHARS: Final = 20_000
MOST_GENERATED_TOKENS: Final = 16_384

UNFIT: Final = (msgspec.MsgspecError, Unfit, UnicodeError, RecursionError)


def new_marks() -> Marks:
    """Marks nobody can guess. The canary begins with letters that hardly ever follow one another."""
    return Marks(fence=f"xqz{secrets.token_hex(4)}", canary=f"zqx{secrets.token_hex(8)}")


class AskedGemini(Protocol):
    """Who is asked the questions, whole or piece by piece; see `providers.text.gemini_client`."""

    async def ask(self, question: Question) -> Said:
        """The whole answer."""
        ...

    def stream(self, question: Question) -> AsyncGenerator[Said]:
        """The answer piece by piece."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class GeminiTextProvider:
    """The provider of `HEADRACE_GEMINI_API_KEY`; see `TextProvider` for what it promises.

    `client` asks the questions; None: a connection of its own. `base_url` None means Google's own. `timeout_seconds`
    bounds each request; an answer that does not fit is asked for once more, so a call may take twice that.
    `parameters`, by kind, go before both. Making one costs about half a second: the SDK is imported here.
    """

    def __init__(  # noqa: PLR0913 - what may be said of it
        self,
        api_key: str,
        *,
        base_url: str | None = None,
        model: str,
        timeout_seconds: float = 30.0,
        parameters: Mapping[str, Parameters] | None = None,
        marks: Marks | None = None,
        client: "AskedGemini | None" = None,
    ) -> None:
        if client is None:
            # Only who has a key pays for the SDK: 400 ms and 64 MB.
            from providers.text.gemini_client import GeminiClient  # noqa: PLC0415

            client = GeminiClient(api_key, base_url=base_url, model=model, timeout_seconds=timeout_seconds)
        self._client = client
        self._model = model
        self._parameters = parameters or {}
        self._marks = marks or new_marks()
        self._wordings = read_wordings()

    async def summarize(self, asked: Summarize) -> Answer[Summary]:
        """Say the text in at most `asked.max_chars` characters."""
        question = Question(
            prompt=summarize_prompt(asked, self._marks, self._wordings), schema=schema_of(SummaryFilled)
        )
        return await self._ask("text.summarize", question, SummaryFilled, lambda filled: summary_of(filled, asked))

    async def merge(self, asked: Summarize) -> Answer[Summary]:
        """Make one summary of those of a text's parts, which are the text given."""
        question = Question(prompt=merge_prompt(asked, self._marks, self._wordings), schema=schema_of(SummaryFilled))
        return await self._ask("text.summarize", question, SummaryFilled, lambda filled: summary_of(filled, asked))

    async def moderate(self, asked: Moderate) -> Answer[Moderation]:
        """Judge whether the text is toxic."""
        prompt = moderate_prompt(asked, self._marks, self._wordings)
        question = Question(prompt=prompt, schema=schema_of(ModerationFilled), unfiltered=True)
        return await self._ask("text.moderate", question, ModerationFilled, moderation_of)

    async def classify(self, asked: Classify) -> Answer[Classification]:
        """Find the text's topic, sentiment and language."""
        schema = schema_of(ClassificationFilled, choices_of(asked))
        question = Question(prompt=classify_prompt(asked, self._marks, self._wordings), schema=schema)
        return await self._ask(
            "text.classify", question, ClassificationFilled, lambda filled: classification_of(filled, asked)
        )

    async def generate(self, asked: Generate) -> Answer[Generated]:
        """Write a text from a brief."""
        prompt = generate_prompt(asked, self._marks, self._wordings)
        question = Question(prompt=prompt, schema=schema_of(GeneratedFilled), most_tokens=MOST_GENERATED_TOKENS)
        return await self._ask("text.generate", question, GeneratedFilled, lambda filled: generated_of(filled, asked))

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:
        """Answer the last message, piece by piece; what is yielded has been screened, also where an error follows."""
        prompt = reply_prompt(conversation, self._marks, self._wordings, earlier)
        if not prompt.messages:
            raise ProviderRefused("The conversation holds nothing to reply to.")
        screen = Screen(self._marks)
        usage = Usage(engine=ENGINE, model=self.model_of("chat.reply"), prompt_version=prompt.version)
        written = 0
        try:
            async with aclosing(self._client.stream(self._tuned("chat.reply", Question(prompt=prompt)))) as pieces:
                async for said in pieces:
                    usage = said.usage or usage  # each counts from the beginning
                    written += len(said.text)
                    if written > MOST_REPLY_CHARS:
                        raise AnswerCutShort(f"Gemini's reply is longer than {MOST_REPLY_CHARS} characters.")
                    shown = screen.pass_on(plain(said.text))
                    if shown or said.usage is not None:
                        yield ReplyPart(shown, said.usage)
            if not written:
                raise ProviderAnswerMalformed("Gemini's reply was empty.")
        except Costly as failure:
            failure.spent = failure.spent or usage
            raise
        yield ReplyPart(screen.rest(), usage)

    async def aclose(self) -> None:
        """Close every connection; twice is fine."""
        await self._client.aclose()

    def model_of(self, kind: str) -> str:
        """The model asked for a kind."""
        return self._parameters.get(kind, Parameters()).model or self._model

    def _tuned(self, kind: str, question: Question) -> Question:
        told = self._parameters.get(kind, Parameters())
        return msgspec.structs.replace(
            question,
            model=told.model,
            temperature=told.temperature,
            most_tokens=told.most_output_tokens or question.most_tokens,
            timeout_seconds=told.timeout_seconds,
        )

    async def _ask(
        self, kind: str, question: Question, shape: type[FilledT], make: Callable[[FilledT], ResultT]
    ) -> Answer[ResultT]:
        question = self._tuned(kind, question)
        said = await self._client.ask(question)
        try:
            with billed(said.usage):
                return Answer(make(self._read(said.text, shape)), said.usage)
        except UNFIT as objection:
            reason = str(objection)
        repair = msgspec.structs.replace(
            question, prompt=repair_prompt(question.prompt, said.text, reason, self._wordings)
        )
        with billed(said.usage):
            repaired = await self._client.ask(repair)
        usage = sum_of(said.usage, repaired.usage)
        with billed(usage):
            try:
                return Answer(make(self._read(repaired.text, shape)), usage)
            except UNFIT as objection:
                reason = str(objection)
            raise ProviderAnswerMalformed(f"Gemini's answer did not fit, twice: {reason}")

    def _read(self, text: str, shape: type[FilledT]) -> FilledT:
        refuse_marks(text, self._marks)
        filled = msgspec.json.decode(text, type=shape)
        refuse_marks(msgspec.json.encode(filled).decode(), self._marks)  # what escapes may have hidden
        return filled

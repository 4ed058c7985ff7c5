"""What the stand-in Gemini is told to do: steps, one a request, as values."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

JsonObject = dict[str, Any]


class Step(Struct, frozen=True, kw_only=True):
    """What is done with one request; `delay_seconds` passes before it."""

    delay_seconds: float = 0.0


class Answers(Step, frozen=True, kw_only=True):
    """Answers well: by the response schema where one is given, else with a few plain words."""


class Says(Step, frozen=True, kw_only=True):
    """Answers with these words; a stream sends them `chunk` characters at a time.

    `finish` None leaves the finish reason out. `thoughts` is sent first, as a part marked as thought. `pause_seconds`
    pass between two events of a stream.
    """

    text: str
    finish: str | None = "STOP"
    thoughts: str = ""
    chunk: int = 12
    pause_seconds: float = 0.0
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    thought_tokens: int = 0
    counts_tokens: bool = True


class Echoes(Step, frozen=True, kw_only=True):
    """Answers with what it was sent: the system text, the user text, or both, inside the schema's first string."""

    system: bool = True
    user: bool = False


class Blocks(Step, frozen=True, kw_only=True):
    """Answers 200 without candidates: the prompt was blocked."""

    reason: str = "SAFETY"


class NoCandidates(Step, frozen=True, kw_only=True):
    """Answers 200 with nothing in it but usage."""


class NoParts(Step, frozen=True, kw_only=True):
    """Answers 200 with a candidate that holds no content, only a finish reason."""

    finish: str = "STOP"


class Refuses(Step, frozen=True, kw_only=True):
    """Answers with an error. `retry_delay` goes into RetryInfo (`"7s"`), `retry_after` into the header."""

    code: int
    status: str = ""
    message: str = "Told to refuse."
    retry_delay: str | None = None
    retry_after: str | None = None


class Sends(Step, frozen=True, kw_only=True):
    """Answers with these very bytes."""

    body: bytes
    code: int = 200
    content_type: str = "application/json; charset=UTF-8"


class Hangs(Step, frozen=True, kw_only=True):
    """Never answers; ends when the client goes away."""


class Resets(Step, frozen=True, kw_only=True):
    """Resets the connection (RST) without an answer."""


class Truncates(Step, frozen=True, kw_only=True):
    """Promises a whole body, sends a part of it, closes."""


class Breaks(Step, frozen=True, kw_only=True):
    """Streams these words, then goes wrong as `then` says. A plain request gets `then` alone."""

    words: tuple[str, ...]
    then: Step


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of a content."""

    text: str


class Content(Struct, frozen=True, forbid_unknown_fields=True):
    """What one side said."""

    parts: tuple[Part, ...]
    role: Literal["user", "model"] | None = None

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(part.text for part in self.parts)


class SafetySetting(Struct, frozen=True, forbid_unknown_fields=True):
    """From which probability on Gemini blocks a category of harm."""

    category: str
    threshold: str


class GenerationConfig(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How to answer."""

    response_mime_type: str | None = None
    response_json_schema: JsonObject | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    stop_sequences: tuple[str, ...] = ()
    seed: int | None = None
    thinking_config: JsonObject | None = None


class Wanted(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of a request; Gemini refuses fields it does not know."""

    contents: Annotated[tuple[Content, ...], Meta(min_length=1)]
    system_instruction: Content | None = None
    generation_config: GenerationConfig = GenerationConfig()
    safety_settings: tuple[SafetySetting, ...] = ()


class Asked(Struct, frozen=True, kw_only=True):
    """A request as it came. Header names are in lower case."""

    path: str
    query: str
    model: str
    verb: str
    headers: dict[str, str]
    wanted: Wanted

    @property
    def system(self) -> str:
        """The system text."""
        instruction = self.wanted.system_instruction
        return instruction.text if instruction else ""

    @property
    def user(self) -> str:
        """The text of the last content."""
        return self.wanted.contents[-1].text

    @property
    def roles(self) -> tuple[str | None, ...]:
        """Who speaks in each content."""
        return tuple(content.role for content in self.wanted.contents)

    @property
    def schema(self) -> JsonObject | None:
        """The schema the answer has to meet."""
        return self.wanted.generation_config.response_json_schema

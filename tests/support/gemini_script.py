"""What the stand-in Gemini is told to do: steps, one a request, as values."""

from msgspec import Struct

JsonObject = dict[str, object]


class Step(Struct, frozen=True, kw_only=True):
    """What is done with one request; `delay_seconds` passes before it."""

    delay_seconds: float = 0.0


class Answers(Step, frozen=True, kw_only=True):
    """Answers well: by the response schema where one is given, else with a few plain words."""


class Says(Step, frozen=True, kw_only=True):
    """Answers with these words; a stream sends them `chunk` characters at a time.

    `finish` None leaves the finish reason out. `thoughts` is sent first, as a part marked as thought.
    """

    text: str
    finish: str | None = "STOP"
    thoughts: str = ""
    chunk: int = 12
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
    then: Refuses | Hangs | Resets | Truncates | Blocks | NoParts | Sends


class Asked(Struct, frozen=True, kw_only=True):
    """A request as it came. Header names are in lower case."""

    path: str
    query: str
    model: str
    verb: str
    headers: dict[str, str]
    body: JsonObject

    @property
    def system(self) -> str:
        """The system text."""
        return texts_of(self.body.get("systemInstruction"))

    @property
    def user(self) -> str:
        """The text of the last content."""
        contents = self.body.get("contents")
        return texts_of(contents[-1]) if isinstance(contents, list) and contents else ""

    @property
    def roles(self) -> tuple[str, ...]:
        """Who speaks in each content."""
        contents = self.body.get("contents")
        return tuple(str(content.get("role")) for content in contents) if isinstance(contents, list) else ()

    @property
    def config(self) -> JsonObject:
        """The generation's settings."""
        config = self.body.get("generationConfig")
        return config if isinstance(config, dict) else {}

    @property
    def schema(self) -> JsonObject | None:
        """The schema the answer has to meet."""
        schema = self.config.get("responseJsonSchema", self.config.get("responseSchema"))
        return schema if isinstance(schema, dict) else None


def texts_of(content: object) -> str:
    """The text parts of a content, joined."""
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        return ""
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))

"""Every setting: one name, a type, a default or none, a line of documentation. The only reader of the environment.

Long because there are many, and whoever looks for one looks here.
"""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from domain.catalog import KINDS
from domain.errors import Invalid
from domain.text.cost import Parameters, Price
from domain.text.parts import SMALLEST_WINDOW
from domain.text.personal import SORTS, Sort
from domain.text.safety import Action, SafetyPolicy

PREFIX: Final = "HEADRACE_"

SHORTEST_SECRET: Final = 32
"""How many characters the secret key has at least in production: who guesses it makes tokens and signatures."""

DEVELOPMENT_TENANT: Final = "Development"
"""What the tenant is called that is seeded in development."""
_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(:[0-9]{1,5})?")

FALLBACK_REASONS: Final = frozenset({"down", "throttled", "budget", "malformed", "refused", "blocked"})
"""What may make the local engine answer in place of Gemini."""

Environment = Literal["development", "production"]


class SettingInvalid(Invalid):
    """A `HEADRACE_` variable is unknown, missing or not acceptable."""

    code = "setting_invalid"
    title = "A setting is not acceptable"


def _doc(text: str) -> Meta:
    return Meta(description=text)


Window = Annotated[int, Meta(ge=SMALLEST_WINDOW, le=100_000_000)]
CacheSeconds = Annotated[int, Meta(ge=0, le=604_800, description="how long answers of the kind are kept; 0: not")]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The environment, read once. A field's variable is `HEADRACE_` and its name in capitals."""

    environment: Annotated[Environment, _doc("development seeds data; production refuses weak settings")] = (
        "development"
    )
    database_url: Annotated[str | None, _doc("Postgres, as postgresql://…; absent: embedded")] = None
    redis_url: Annotated[str | None, _doc("Redis or Valkey, as redis://… or unix://…; absent: embedded")] = None
    broker_url: Annotated[str | None, _doc("Celery's broker; absent: the Redis")] = None
    smtp_url: Annotated[str | None, _doc("outgoing mail, as smtp://user:password@host:587; absent: local inbox")] = None
    gemini_api_key: Annotated[str | None, _doc("Gemini's key; absent: the local text engine")] = None
    gemini_base_url: Annotated[str | None, _doc("where Gemini is reached; absent: Google's own address")] = None
    gemini_model: Annotated[str, _doc("the Gemini model asked")] = "gemini-3.8-flash"
    gemini_timeout_seconds: Annotated[
        float, Meta(gt=0, le=600, description="how long Gemini may take to answer; in a stream, be silent")
    ] = 30.0
    gemini_kinds: Annotated[
        str, _doc("JSON: by kind, its model, temperature, most_output_tokens, timeout_seconds where they differ")
    ] = "{}"
    gemini_windows: Annotated[
        str, _doc("JSON: by model, how many tokens a question may hold with its answer; longer texts go in parts")
    ] = "{}"
    gemini_breaker_failures: Annotated[
        int, Meta(ge=1, le=1000, description="after how many failures in a row a worker leaves Gemini alone")
    ] = 5
    gemini_breaker_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="for how long, until one job tries again")
    ] = 30.0
    gemini_requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1)] | None, _doc("how many requests all workers together make; absent: no limit")
    ] = None
    gemini_tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1)] | None, _doc("how many tokens they use, as estimated beforehand; absent: no limit")
    ] = None
    text_fallback: Annotated[
        str, _doc("which kinds the local engine answers where Gemini cannot: on, off, or kinds, comma-separated")
    ] = "on"
    text_fallback_for: Annotated[
        str, _doc("for what reasons it does: of down, throttled, budget, malformed, refused, blocked")
    ] = "down,throttled,budget"
    text_prices: Annotated[
        str, _doc("JSON: by model, what a million tokens of input and of output cost, in millionths of the currency")
    ] = "{}"
    text_currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="the currency of text_prices")] = "USD"
    cache_url: Annotated[str | None, _doc("the Redis of cached answers; absent: the Redis")] = None
    cache_summarize_seconds: CacheSeconds = 3600
    cache_generate_seconds: CacheSeconds = 3600
    cache_moderate_seconds: CacheSeconds = 1800
    cache_classify_seconds: CacheSeconds = 1800
    cache_shared: Annotated[bool, _doc("whether tenants are given each other's cached answers")] = False
    redact_pii: Annotated[
        Literal["on", "off"], _doc("whether personal data is taken out of texts before they leave for Gemini")
    ] = "on"
    redact_sorts: Annotated[
        str, _doc("what of it, comma-separated: email, phone, card, iban, ssn, ip, key, jwt; absent: all")
    ] = ""
    metrics_port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        _doc("where relay, worker and beat tell their figures, and that they live; absent: nowhere"),
    ] = None
    metrics_host: Annotated[str, _doc("the address of that port; 0.0.0.0 is every one of the machine's")] = "127.0.0.1"
    redact_logs: Annotated[Literal["on", "off"], _doc("whether personal data is taken out of what is logged")] = "on"
    secret_key: Annotated[str | None, _doc("signs what the platform hands out; made and kept by `up`")] = None
    data_dir: Annotated[Path, _doc("where embedded servers, inbox and credentials live")] = field(
        default_factory=lambda: Path(".headrace")
    )
    api_key: Annotated[str | None, _doc("the key the command uses, or the one `up` seeds for its admin")] = None
    url: Annotated[str | None, _doc("where the command finds the API")] = None
    log_format: Annotated[Literal["console", "json"] | None, _doc("absent: console on a terminal, else json")] = None
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _doc("the least level logged")] = "info"
    safety_injection: Annotated[Action, _doc("what is done about prompt injections, unless the tenant says")] = "flag"
    safety_unsafe: Annotated[Action, _doc("what is done about unsafe requests, unless the tenant says")] = "flag"
    mail_from: Annotated[str, _doc("the sender of outgoing mail")] = "Headrace <noreply@headrace.invalid>"
    flower_password: Annotated[str | None, _doc("asks Flower's visitors for user `operator` and this")] = None
    remote_control: Annotated[
        bool | None, _doc("Celery's remote control, which Flower's details need; absent: on in development only")
    ] = None
    lease_seconds: Annotated[float, Meta(gt=0, le=3600, description="how long a silent worker keeps its jobs")] = 30.0
    heartbeat_seconds: Annotated[float, Meta(gt=0, le=1200, description="how often a worker renews its leases")] = 10.0
    resend_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="how long a message may go unclaimed before it is sent again")
    ] = 15.0
    grace_seconds: Annotated[float, Meta(ge=0, le=3600, description="how long a stopping worker lets jobs finish")] = (
        10.0
    )
    retention_days: Annotated[int, Meta(ge=1, le=3650, description="how long jobs are kept after they ended")] = 30
    domain_events_in_redis: Annotated[
        int, Meta(ge=1, le=10_000_000, description="how many domain events a tenant's stream in Redis keeps, about")
    ] = 10_000
    registration_tenant: Annotated[
        str | None, _doc("the tenant, by name, of whoever registers; absent: Development there, else nobody may")
    ] = None
    login_failures_per_account: Annotated[
        int, Meta(ge=1, le=1000, description="how many logins of an account may fail in 15 minutes")
    ] = 10
    login_failures_per_address: Annotated[
        int, Meta(ge=1, le=1_000_000, description="how many logins from an address may fail in 15 minutes")
    ] = 30
    user_requests_per_minute: Annotated[
        int, Meta(ge=1, le=10_000_000, description="how many requests a user may make by token")
    ] = 600
    user_texts_per_minute: Annotated[
        int, Meta(ge=1, le=10_000_000, description="how many of them on text and chat routes")
    ] = 10
    chat_context_messages: Annotated[
        int, Meta(ge=1, le=200, description="how many of a conversation's last messages are the context of a reply")
    ] = 20
    chat_context_tokens: Annotated[
        int, Meta(ge=100, le=1_000_000, description="how many tokens, as estimated, the context has at most")
    ] = 16_000
    chat_summary_chars: Annotated[
        int,
        Meta(ge=0, le=10_000, description="how long the summary of what fell out of the context is; 0: there is none"),
    ] = 1_500
    trusted_proxies: Annotated[
        str, _doc("addresses or networks, comma-separated, whose X-Forwarded-For and -Proto are believed")
    ] = ""
    most_queued_per_tenant: Annotated[
        int, Meta(ge=1, description="how many jobs of a tenant may be accepted and not yet claimed")
    ] = 1_000_000
    most_queued: Annotated[int, Meta(ge=1, description="how many jobs may be so of all tenants together")] = 2_000_000
    shed_above_ms: Annotated[
        float, Meta(gt=0, le=10_000, description="submissions are refused while answering them takes longer than this")
    ] = 100.0
    most_streams: Annotated[int, Meta(ge=1, description="how many event streams a process of the API holds open")] = (
        4_000
    )
    most_streams_per_tenant: Annotated[int, Meta(ge=1, description="how many of them may be one tenant's")] = 1_000
    most_streams_per_key: Annotated[int, Meta(ge=1, description="how many of them may be one key's")] = 200
    cors_origins: Annotated[
        str, _doc("origins whose pages may call the API from a browser, comma-separated; * is any")
    ] = ""
    canary_seconds: Annotated[
        float, Meta(gt=0, le=600, description="how often a worker tests that it hears the broker; deaf after three")
    ] = 10.0
    restart_seconds: Annotated[
        float, Meta(gt=0, le=60, description="how long `up` waits before it starts what died; doubles, up to 30 times")
    ] = 1.0
    webhook_ports: Annotated[
        str,
        Meta(pattern=r"^[0-9]{1,5}(,[0-9]{1,5})*$", description="the ports of https that webhooks are sent to"),
    ] = "443"
    webhook_loopback: Annotated[
        bool | None,
        _doc("whether webhooks may be sent to this machine, in plain http too; absent: only where `up` runs it all"),
    ] = None
    kill_points: Annotated[
        str, _doc("armed kill points, as name=kill|raise|sleep:SECONDS, comma-separated, or files:FOLDER")
    ] = ""

    def __repr__(self) -> str:
        """What is set, without what opens: keys, passwords, and addresses that may carry them."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        shown = (f"{name}={'…' if value and _is_secret(name) else repr(value)}" for name, value in said.items())
        return f"Settings({', '.join(shown)})"

    @property
    def is_production(self) -> bool:
        """Whether weak settings are refused and nothing is seeded."""
        return self.environment == "production"

    @property
    def safety(self) -> SafetyPolicy:
        """What is done about what is found in texts of tenants that have not said."""
        return SafetyPolicy(injection=self.safety_injection, unsafe=self.safety_unsafe)

    @property
    def webhook_port_numbers(self) -> frozenset[int]:
        """The ports of https that webhooks are sent to."""
        return frozenset(int(port) for port in self.webhook_ports.split(","))

    @property
    def parameters_by_kind(self) -> dict[str, Parameters]:
        """How single kinds are asked for."""
        return msgspec.json.decode(self.gemini_kinds, type=dict[str, Parameters])

    @property
    def windows_by_model(self) -> dict[str, Window]:
        """How many tokens a question to a model may hold."""
        return msgspec.json.decode(self.gemini_windows, type=dict[str, Window])

    @property
    def prices_by_model(self) -> dict[str, Price]:
        """What models cost."""
        return msgspec.json.decode(self.text_prices, type=dict[str, Price])

    @property
    def fallback_kinds(self) -> frozenset[str]:
        """The kinds that the local engine answers where Gemini cannot."""
        every = frozenset(kind.name for kind in KINDS if kind.is_text)
        return {"on": every, "off": frozenset[str]()}.get(self.text_fallback, _names(self.text_fallback))

    @property
    def fallback_reasons(self) -> frozenset[str]:
        """The reasons it does so for."""
        return _names(self.text_fallback_for)

    @property
    def redacted_sorts(self) -> frozenset[Sort]:
        """The sorts of personal data taken out of what leaves for a text provider; empty: nothing is."""
        if self.redact_pii == "off":
            return frozenset()
        named = {name.strip() for name in self.redact_sorts.split(",") if name.strip()}
        return frozenset(sort for sort in SORTS if not named or sort in named)

    @property
    def open_to(self) -> str | None:
        """The name of the tenant that whoever registers joins; None: nobody may."""
        return self.registration_tenant or (None if self.is_production else DEVELOPMENT_TENANT)

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins whose pages may call the API, as browsers spell them; `*` is any."""
        return frozenset(origin.strip().lower() for origin in self.cors_origins.split(",") if origin.strip())

    @property
    def wants_remote_control(self) -> bool:
        """Whether workers answer Celery's remote control."""
        return not self.is_production if self.remote_control is None else self.remote_control


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read `HEADRACE_` variables; an empty one counts as absent.

    Raises:
        SettingInvalid: an unknown name (with the nearest known one), a value out of bounds, or a production
            environment with weak settings.
    """
    given = {
        name.removeprefix(PREFIX): value
        for name, value in (os.environ if environ is None else environ).items()
        if name.startswith(PREFIX) and value
    }
    known = {name.upper() for name in Settings.__struct_fields__}
    for name in sorted(given.keys() - known):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {PREFIX}{near[0]}?" if near else ""
        raise SettingInvalid(f"{PREFIX}{name} is not a setting of Headrace.{hint}")
    try:
        settings = msgspec.convert(
            {name.lower(): value for name, value in given.items()}, Settings, strict=False, dec_hook=_path
        )
    except msgspec.ValidationError as error:
        raise SettingInvalid(_named(str(error))) from None
    _refuse_misspelled(settings)
    _refuse_weak(settings)
    _refuse_garbled(settings)
    return settings


def environment_with(**more: str) -> dict[str, str]:
    """This process's environment with `more` in it, for a child."""
    return {**os.environ, **more}


def environment_without_settings(**more: str) -> dict[str, str]:
    """This process's environment with `more` in it and no setting of ours, for a child that is given its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | more


def _is_secret(name: str) -> bool:
    return name.endswith(("_key", "_password", "_url"))


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def _refuse_garbled(settings: Settings) -> None:
    kinds = frozenset(kind.name for kind in KINDS if kind.is_text)
    for name, read in (
        ("text_prices", "prices_by_model"),
        ("gemini_kinds", "parameters_by_kind"),
        ("gemini_windows", "windows_by_model"),
    ):
        try:
            told = getattr(settings, read)
        except msgspec.MsgspecError as error:
            raise SettingInvalid(f"{PREFIX}{name.upper()}: {error}") from None
        if name == "gemini_kinds" and (odd := told.keys() - kinds):
            raise SettingInvalid(f"{PREFIX}GEMINI_KINDS: {min(odd)} is no kind of text. There are: {_listed(kinds)}.")
    if unknown := settings.fallback_kinds - kinds:
        raise SettingInvalid(f"{PREFIX}TEXT_FALLBACK: {min(unknown)} is neither on, off, nor one of {_listed(kinds)}.")
    if unknown := settings.fallback_reasons - FALLBACK_REASONS:
        raise SettingInvalid(f"{PREFIX}TEXT_FALLBACK_FOR: {min(unknown)} is none of {_listed(FALLBACK_REASONS)}.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _path(wanted: type, value: object) -> Path:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


def _named(message: str) -> str:
    what, _, path = message.partition(" - at `$.")
    return f"{PREFIX}{path.rstrip('`').upper()}: {what}" if path else message


def _refuse_misspelled(settings: Settings) -> None:
    for origin in sorted(settings.allowed_origins - {"*"}):
        if not _ORIGIN.fullmatch(origin):
            raise SettingInvalid(
                f"HEADRACE_CORS_ORIGINS: {origin} is no origin. One is spelled https://host or https://host:port, "
                "with nothing behind."
            )
    for name in settings.redact_sorts.split(","):
        if name.strip() and name.strip() not in SORTS:
            raise SettingInvalid(f"HEADRACE_REDACT_SORTS: {name.strip()} is none of {_listed(SORTS)}.")


def _refuse_weak(settings: Settings) -> None:
    if settings.heartbeat_seconds * 2 > settings.lease_seconds:
        raise SettingInvalid("HEADRACE_HEARTBEAT_SECONDS must be at most half of HEADRACE_LEASE_SECONDS.")
    if not settings.is_production:
        return
    if settings.kill_points:
        raise SettingInvalid("HEADRACE_KILL_POINTS is for tests; production refuses it.")
    if settings.webhook_loopback:
        raise SettingInvalid("HEADRACE_WEBHOOK_LOOPBACK is for development; production refuses it.")
    for name in ("database_url", "redis_url", "smtp_url", "secret_key"):
        if getattr(settings, name) is None:
            raise SettingInvalid(f"{PREFIX}{name.upper()} must be set when HEADRACE_ENVIRONMENT=production.")
    if len(settings.secret_key or "") < SHORTEST_SECRET:
        raise SettingInvalid(
            f"HEADRACE_SECRET_KEY: production takes one of at least {SHORTEST_SECRET} characters, such as "
            "`openssl rand -hex 32` makes."
        )

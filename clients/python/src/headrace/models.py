"""What the API takes and shows. Made of its own description by `python -m tools.client`: do not edit.

Long because it is a list. Fields that a newer API adds pass by.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from msgspec import Struct

from headrace.options import Input
from headrace.unspoken import Unspoken

if TYPE_CHECKING:
    Adjustment: TypeAlias = Literal["adjusted", "received"]
    BatchInfoMode: TypeAlias = Literal["economy", "standard"]
    BulkState: TypeAlias = Literal["aborted", "done", "pending", "running"]
    BulkVerb: TypeAlias = Literal["cancel", "retry"]
    CatchUp: TypeAlias = Literal["all", "last", "none"]
    ClassificationSentiment: TypeAlias = Literal["negative", "neutral", "positive"]
    DeliveryState: TypeAlias = Literal["delivered", "failed", "pending"]
    DependencyStatus: TypeAlias = Literal["down", "up"]
    DomainEventType: TypeAlias = Literal[
        "order.paid",
        "order.payment_failed",
        "order.placed",
        "product.reviewed",
        "stock.low",
        "user.banned",
        "user.registered",
    ]
    EndpointState: TypeAlias = Literal["active", "disabled", "paused"]
    EndpointWanted: TypeAlias = Literal["active", "paused"]
    EngineStandingState: TypeAlias = Literal["closed", "held", "open", "probing"]
    GenerateFormat: TypeAlias = Literal["blog", "email", "product_description"]
    HealthStatus: TypeAlias = Literal["degraded", "ready", "unavailable"]
    JobSort: TypeAlias = Literal["-created_at", "-finished_at", "-priority", "created_at", "finished_at", "priority"]
    MessageRole: TypeAlias = Literal["assistant", "user"]
    MovementReason: TypeAlias = Literal["adjusted", "received", "returned", "sold"]
    OrderCancelledStatus: TypeAlias = Literal["cancelled"]
    OrderPlacedStatus: TypeAlias = Literal["paid", "payment_failed"]
    OrderShippedStatus: TypeAlias = Literal["shipped"]
    OrderStatus: TypeAlias = Literal["cancelled", "paid", "payment_failed", "shipped"]
    Overlap: TypeAlias = Literal["allow", "cancel_other", "skip"]
    ProductSort: TypeAlias = Literal["-created_at", "-name", "-price", "created_at", "name", "price"]
    Role: TypeAlias = Literal["admin", "moderator", "operator", "user", "viewer"]
    RunOutcome: TypeAlias = Literal["missed", "refused", "skipped", "submitted"]
    SafetyInjection: TypeAlias = Literal["block", "flag", "off"]
    SafetyUnsafe: TypeAlias = Literal["block", "flag", "off"]
    State: TypeAlias = Literal["cancelled", "expired", "failed", "queued", "running", "scheduled", "succeeded"]
    UserState: TypeAlias = Literal["active", "banned", "disabled"]
    Window: TypeAlias = Literal["1h", "24h", "7d"]
    WorkerState: TypeAlias = Literal["running", "stopping"]
else:  # a word that a newer API says is none that an older client refuses
    Adjustment = str
    BatchInfoMode = str
    BulkState = str
    BulkVerb = str
    CatchUp = str
    ClassificationSentiment = str
    DeliveryState = str
    DependencyStatus = str
    DomainEventType = str
    EndpointState = str
    EndpointWanted = str
    EngineStandingState = str
    GenerateFormat = str
    HealthStatus = str
    JobSort = str
    MessageRole = str
    MovementReason = str
    OrderCancelledStatus = str
    OrderPlacedStatus = str
    OrderShippedStatus = str
    OrderStatus = str
    Overlap = str
    ProductSort = str
    Role = str
    RunOutcome = str
    SafetyInjection = str
    SafetyUnsafe = str
    State = str
    UserState = str
    Window = str
    WorkerState = str


class Address(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an order is to be sent."""

    name: str
    street: str
    city: str
    country: str
    postal_code: str | None = None
    region: str | None = None


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key, without what opens. It begins `hr_` and `public_id`; `scopes` hold as far as its user's role has them."""

    id: str
    user_id: str
    name: str
    public_id: str
    scopes: tuple[str, ...]
    requests_per_minute: int
    is_live: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try at running a job, as it ended; `outcome` is the state it left the job in."""

    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime
    outcome: str
    code: str | None
    detail: str | None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """A privileged act. `hash` covers all that is said here and `previous_hash`, that of the entry before."""

    seq: int
    at: datetime
    action: str
    target: str
    user_id: str | None
    key_id: str | None
    session_id: str | None
    address: str | None
    request_id: str | None
    before: Any
    after: Any
    previous_hash: str
    hash: str


class Backfill(Struct, frozen=True, kw_only=True):
    """What a backfill did, or with `dry_run` would do. Each of its jobs is listed among the schedule's runs."""

    schedule_id: str
    starts_at: datetime
    ends_at: datetime
    dry_run: bool
    firings: int
    ran_before: int
    submitted: int
    links: BackfillLinks


class BackfillLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    schedule: str
    runs: str
    jobs: str


class Balance(Struct, frozen=True, kw_only=True):
    """What a customer may spend."""

    customer_id: str
    balance: Money


class BatchInfo(Struct, frozen=True, kw_only=True):
    """A batch. `finished_at` is null while a job of it is live; `on_finished_job_id` is the job that followed."""

    id: str
    mode: BatchInfoMode
    total: int
    counts: Counts
    created_at: datetime
    finished_at: datetime | None
    on_finished_job_id: str | None
    links: BatchLinks


class BatchLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    jobs: str
    results: str
    cancel: str


class Budget(Struct, frozen=True, kw_only=True):
    """A budget, and what of it was used today. `reserved` is what jobs that run now will probably use."""

    kind: str | None
    tokens: int | None
    cost_micros: int | None
    used_tokens: int
    used_cost_micros: int
    reserved_tokens: int
    reserved_cost_micros: int


class Budgets(Struct, frozen=True, kw_only=True):
    """The tenant's budgets."""

    currency: str
    budgets: tuple[Budget, ...]


class BulkAction(Struct, frozen=True, kw_only=True):
    """A bulk action. `matched` counts the jobs found so far, of which `skipped` moved by themselves meanwhile."""

    id: str
    action: BulkVerb
    filter: JobFilter
    dry_run: bool
    rate_per_second: int
    state: BulkState
    matched: int
    done: int
    skipped: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: BulkActionLinks


class BulkActionLinks(Struct, frozen=True, kw_only=True):
    """Where to go from a bulk action; relative when the request did not say how it reached us."""

    self: str
    abort: str


class Caller(Struct, frozen=True, kw_only=True):
    """The user a request is made for, with what the key or the token that made it may do."""

    user_id: str
    tenant_id: str
    email: str
    name: str
    role: Role
    key_id: str | None
    session_id: str | None
    permissions: tuple[str, ...]
    limits: CallerLimits


class CallerLimits(Struct, frozen=True, kw_only=True):
    """How much the caller may ask; RateLimit on every answer tells what is left."""

    requests_per_minute: int


class CartLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So many pieces of one product."""

    product_id: str
    quantity: int


class Category(Struct, frozen=True, kw_only=True):
    """What products are sorted into, named by its slug; `products` counts those in it."""

    slug: str
    name: str
    products: int


class Classification(Struct, frozen=True, kw_only=True):
    """What a text is about, how it sounds and its language."""

    category: str
    scores: dict[str, float]
    sentiment: ClassificationSentiment
    sentiment_score: float
    language: str
    engine: str
    cached: bool = False


class Condensed(Struct, frozen=True, kw_only=True):
    """How many messages the summary covers now, and who wrote it; null: none was needed, or it came too late."""

    messages: int | None = None
    engine: str | None = None


class Conversation(Struct, frozen=True, kw_only=True):
    """A conversation; `messages` is how many it has had, superseded ones too."""

    id: str
    title: str | None
    messages: int
    tokens: Tokens
    summary: ConversationSummary | None
    created_at: datetime
    updated_at: datetime
    links: ConversationLinks


class ConversationLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    messages: str
    stream: str


class ConversationSummary(Struct, frozen=True, kw_only=True):
    """What replies are told of the messages that fell out of the context: of the first `messages` that are current."""

    text: str
    messages: int
    engine: str
    created_at: datetime


class Counts(Struct, frozen=True, kw_only=True):
    """How many of a batch's jobs stand in each state."""

    scheduled: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int


class Dependency(Struct, frozen=True, kw_only=True):
    """How something the API needs answered just now."""

    status: DependencyStatus
    duration_ms: float
    needed: bool


class DepositMade(Struct, frozen=True, kw_only=True):
    """A deposit that was made, and the balance with it."""

    id: str
    customer_id: str
    amount: Money
    balance: Money


class Documented(Struct, frozen=True, kw_only=True):
    """What a code means. `status` is null for codes that stand in a job's `error` only."""

    code: str
    title: str
    status: int | None
    meaning: str
    remedy: str


class DomainEvent(Struct, frozen=True, kw_only=True):
    """A CloudEvent 1.0, as webhook endpoints are told it. `subject` is what it happened to."""

    specversion: str
    id: str
    source: str
    type: DomainEventType
    subject: str
    time: datetime
    datacontenttype: str
    data: Any


class Economized(Struct, frozen=True, kw_only=True):
    """How many texts were to be asked about so, and how many of them were answered. The rest were asked as usual."""

    asked: int
    answered: int


class EmailSent(Struct, frozen=True, kw_only=True):
    """Who the mail server took the e-mail for. `refused` gives its reason for each address it did not."""

    message_id: str
    accepted: tuple[str, ...]
    refused: dict[str, str]


class EngineStanding(Struct, frozen=True, kw_only=True):
    """How an engine is, as one process has found it since it started."""

    name: str
    state: EngineStandingState = "closed"
    wait_seconds: float = 0.0
    open_seconds: float | None = None
    calls: int = 0
    failures: int = 0
    throttled: int = 0
    refused: int = 0
    fallbacks: int = 0
    opened: int = 0


class EventToken(Unspoken, frozen=True, kw_only=True):
    """A token, until when streams may be opened with it, and the address it opens."""

    opens: ClassVar[tuple[str, ...]] = ("token",)

    token: str
    expires_at: datetime
    url: str


class FailedAttempt(Struct, frozen=True, kw_only=True):
    """An attempt that failed, in brief."""

    attempt: int
    at: datetime
    code: str
    detail: str


class Failure(Struct, frozen=True, kw_only=True):
    """How many jobs failed with a code."""

    code: str
    count: int


class Generated(Struct, frozen=True, kw_only=True):
    """The text written. `engine` says what wrote it: `local-template` is no language model."""

    text: str
    engine: str
    cached: bool = False


class Health(Struct, frozen=True, kw_only=True):
    """`degraded`: jobs are accepted, and kept until what is down is back."""

    status: HealthStatus
    checks: dict[str, Dependency]


class JobError(Struct, frozen=True, kw_only=True):
    """Why a job failed, or why it is tried again; `attempts` lists the attempts that failed so far."""

    code: str
    title: str
    detail: str
    retryable: bool
    attempts: tuple[FailedAttempt, ...]


class JobFilter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which jobs."""

    kind: str | None = None
    queue: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    schedule_id: str | None = None
    q: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    state: tuple[State, ...] = ()
    error_code: tuple[str, ...] = ()


class JobInfo(Struct, frozen=True, kw_only=True):
    """A job. `input`, `result` and `usage` are JSON of the kind's own shape; GET /v1/kinds has their schemas."""

    id: str
    kind: str
    state: State
    queue: str
    priority: int
    tags: tuple[str, ...]
    metadata: Any
    attempt: int
    max_attempts: int
    progress: float | None
    input: Any
    result: Any
    error: JobError | None
    usage: Any
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    schedule_id: str | None
    batch_id: str | None
    parent_id: str | None
    links: Links
    deduplicated: bool | None = None


class JobWebhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is told of the job's end, besides the endpoints of the tenant."""

    url: str


class KeyLimit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many jobs that share a concurrency key may run at once; null is no limit."""

    max_running: int | None = 1


class Kind(Struct, frozen=True, kw_only=True):
    """A kind. `timeout` bounds one attempt; `input_schema` and `result_schema` are JSON Schema 2020-12."""

    name: str
    summary: str
    queue: str
    permission: str
    internal: bool
    timeout: str
    max_attempts: int
    example: dict[str, Any]
    input_schema: dict[str, Any]
    result_schema: dict[str, Any]


class KindStats(Struct, frozen=True, kw_only=True):
    """The jobs of one kind."""

    kind: str
    total: int
    states: dict[str, int]
    wait_seconds: Seconds
    run_seconds: Seconds


class Label(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A label with what helps to choose it: a `description`, and `examples` of texts that belong under it."""

    name: str
    description: str | None = None
    examples: tuple[str, ...] = ()


class Limit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may run at once, and what may start; null is no limit."""

    max_running: int | None = None
    rate: Rate | None = None


class Links(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    events: str
    cancel: str


class Message(Struct, frozen=True, kw_only=True):
    """A message. `reply_to` names the one it answers, `engine` what wrote it; `partial`: it was cut short."""

    id: str
    position: int
    role: MessageRole
    text: str
    reply_to: str | None
    engine: str | None
    partial: bool
    edit_of: str | None
    reply_job_id: str | None
    blocked: str | None
    superseded_at: datetime | None
    created_at: datetime


class Moderation(Struct, frozen=True, kw_only=True):
    """The judgement: `toxicity` is the probability that a reader would call the text toxic."""

    flagged: bool
    toxicity: float
    categories: dict[str, float]
    issues: tuple[str, ...]
    engine: str
    cached: bool = False


class Money(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An amount of money, never negative. `str()` writes it as people read it: `12.99 USD`."""

    amount: int
    currency: str


class NewApiKey(Unspoken, frozen=True, kw_only=True):
    """A key that was made. `key` is shown this once; in the answer to a request sent again it is null."""

    opens: ClassVar[tuple[str, ...]] = ("key",)

    id: str
    key: str | None
    user_id: str
    name: str
    public_id: str
    scopes: tuple[str, ...]
    requests_per_minute: int
    is_live: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaces: str | None
    replaced_expires_at: datetime | None


class Order(Struct, frozen=True, kw_only=True):
    """An order. Names and prices are those of the moment it was placed."""

    id: str
    status: OrderStatus
    customer_id: str
    job_id: str
    total: Money
    lines: tuple[OrderLine, ...]
    ship_to: Address | None
    created_at: datetime
    shipped_at: datetime | None
    cancelled_at: datetime | None
    links: OrderLinks


class OrderCancelled(Struct, frozen=True, kw_only=True):
    """The order is off; `refunded` went back to the customer's store credit, the pieces to the stock."""

    order_id: str
    status: OrderCancelledStatus
    refunded: Money


class OrderLine(Struct, frozen=True, kw_only=True):
    """One line of an order: the product's name and price as they were when it was bought."""

    product_id: str
    name: str
    unit_price: Money
    quantity: int


class OrderLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here: the order, and the job that placed it."""

    self: str
    job: str


class OrderPlaced(Struct, frozen=True, kw_only=True):
    """The order as it was written. With too little store credit it is `payment_failed`, and nothing was taken."""

    order_id: str
    status: OrderPlacedStatus
    total: Money
    lines: tuple[OrderLine, ...]


class OrderShipped(Struct, frozen=True, kw_only=True):
    """The order is on its way since `shipped_at`. Shipping it again changes nothing and sends no second notice."""

    order_id: str
    status: OrderShippedStatus
    shipped_at: str


class Permission(Struct, frozen=True, kw_only=True):
    """Something that may be permitted."""

    name: str
    description: str


class Product(Struct, frozen=True, kw_only=True):
    """A product as it stands now. `rating` is the mean of its reviews, null while there are none."""

    id: str
    sku: str
    name: str
    description: str
    price: Money
    stock: int
    categories: tuple[str, ...]
    rating: float | None
    reviews: int
    created_at: datetime


class Queue(Struct, frozen=True, kw_only=True):
    """A queue: `depth` jobs wait to run, `scheduled` ones for their time; while `paused`, none of them begins."""

    name: str
    depth: int
    oldest_age_seconds: float | None
    running: int
    scheduled: int
    paused: bool
    workers: int
    rate: float
    limits: QueueLimits | None


class QueueLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits of a queue: of all its jobs, of each tenant's, of those of a kind, of those that share a key."""

    max_running: int | None = None
    rate: Rate | None = None
    per_tenant: Limit | None = None
    per_kind: dict[str, Limit] = {}
    per_key: KeyLimit | None = None


class Rate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In no stretch of time as long as `per`, wherever it begins, start more than `count` jobs."""

    count: int
    per: str


class RepeatedJob(Struct, frozen=True, kw_only=True):
    """The job a schedule submits; nulls stand for what the kind says."""

    kind: str
    input: Any
    priority: int
    tags: tuple[str, ...]
    metadata: dict[str, str]
    expires_in: str | None
    timeout: str | None
    max_attempts: int | None
    concurrency_key: str | None


class Replied(Struct, frozen=True, kw_only=True):
    """The answer, and the message it is kept as."""

    message_id: str
    text: str
    engine: str


class Review(Struct, frozen=True, kw_only=True):
    """What a customer says of a product."""

    id: str
    product_id: str
    customer_id: str
    rating: int
    title: str
    text: str
    verified_purchase: bool
    created_at: datetime
    updated_at: datetime
    links: ReviewLinks


class ReviewLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    product: str


class RolePermissions(Struct, frozen=True, kw_only=True):
    """A role of the tenant, and what it bundles."""

    role: Role
    permissions: tuple[str, ...]


class Run(Struct, frozen=True, kw_only=True):
    """What became of one firing. `job_id` where a job was submitted; `by_hand` where somebody triggered it."""

    fire_at: datetime
    outcome: RunOutcome
    job_id: str | None
    by_hand: bool
    backfilled: bool
    detail: str | None


class Safety(Struct, frozen=True, kw_only=True):
    """What is done about what each detector finds: `off`, `flag` in the job's usage, or `block` the job."""

    injection: SafetyInjection
    unsafe: SafetyUnsafe


class Schedule(Struct, frozen=True, kw_only=True):
    """A schedule. `next_runs` are the next five firings; none while it is paused, or when there are none any more."""

    id: str
    name: str
    cron: str | None
    every: str | None
    timezone: str
    job: RepeatedJob
    overlap: Overlap
    catch_up: CatchUp
    jitter: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    paused: bool
    next_runs: tuple[datetime, ...]
    last_run_at: datetime | None
    created_at: datetime
    updated_at: datetime
    links: ScheduleLinks


class ScheduleLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    runs: str
    jobs: str
    trigger: str


class Seconds(Struct, frozen=True, kw_only=True):
    """Half of them took at most `p50` seconds, 95 in 100 at most `p95`; null where there were none."""

    p50: float | None = None
    p95: float | None = None


class SessionTokens(Unspoken, frozen=True, kw_only=True):
    """A pair of tokens, shown once. The refresh token is changed for the next pair within 7 days, once."""

    opens: ClassVar[tuple[str, ...]] = ("access_token", "refresh_token")

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    scope: str


class SigningSecret(Unspoken, frozen=True, kw_only=True):
    """What deliveries to the URLs of single jobs are signed with."""

    opens: ClassVar[tuple[str, ...]] = ("secret",)

    secret: str
    rotated_at: datetime | None


class Stats(Struct, frozen=True, kw_only=True):
    """The tenant's jobs made within the window. They wait until they are claimed, and run until they end."""

    window: Window
    total: int
    states: dict[str, int]
    wait_seconds: Seconds
    run_seconds: Seconds
    kinds: tuple[KindStats, ...]
    failures: tuple[Failure, ...]


class StockMovement(Struct, frozen=True, kw_only=True):
    """A change of a product's stock, and why. What an order moved names the order, and its job."""

    id: str
    product_id: str
    change: int
    reason: MovementReason
    order_id: str | None
    job_id: str | None
    created_at: datetime


class StockMovementMade(Struct, frozen=True, kw_only=True):
    """A movement that was made, and how many pieces are in stock with it."""

    id: str
    product_id: str
    change: int
    reason: MovementReason
    order_id: str | None
    job_id: str | None
    created_at: datetime
    stock: int


class Summary(Struct, frozen=True, kw_only=True):
    """The short form: never over `max_chars` characters, never cut inside a word."""

    summary: str
    engine: str
    cached: bool = False


class Tokens(Struct, frozen=True, kw_only=True):
    """What the replies have cost, where the engine counts."""

    prompt: int
    output: int


class Usage(Struct, frozen=True, kw_only=True):
    """What was used up of one day, kind, engine and model; null where they were added up."""

    tenant_id: str
    day: str | None
    kind: str | None
    engine: str | None
    model: str | None
    calls: int
    prompt_tokens: int
    output_tokens: int
    tokens: int
    cost_micros: int


class UsageReport(Struct, frozen=True, kw_only=True):
    """The tenant's use of text providers, by days of UTC from the first to the last, both included."""

    first: str
    last: str
    currency: str
    items: tuple[Usage, ...]
    total: Usage


class User(Struct, frozen=True, kw_only=True):
    """Somebody of the tenant. `state_reason` is why they were disabled or banned, if that was said."""

    id: str
    tenant_id: str
    email: str
    name: str
    role: Role
    state: UserState
    state_reason: str | None
    has_password: bool
    created_at: datetime
    last_login_at: datetime | None


class Webhook(Unspoken, frozen=True, kw_only=True):
    """An endpoint. `reason` says why it is not active, `failing_since` since when it has taken nothing."""

    opens: ClassVar[tuple[str, ...]] = ("secret",)

    id: str
    url: str
    events: tuple[str, ...]
    description: str
    state: EndpointState
    reason: str | None
    failing_since: datetime | None
    secret_rotated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    links: WebhookLinks
    secret: str | None = None


class WebhookDelivered(Struct, frozen=True, kw_only=True):
    """How it was taken."""

    status_code: int
    duration_ms: int


class WebhookDelivery(Struct, frozen=True, kw_only=True):
    """A delivery, and how its last attempt went: what was answered, or why nothing was."""

    id: str
    webhook_id: str
    event_id: str
    type: str
    subject: str
    state: DeliveryState
    attempts: int
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    status_code: int | None
    duration_ms: int | None
    answer: str | None
    code: str | None
    job_id: str
    redelivery_of: str | None
    created_at: datetime


class WebhookLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    deliveries: str
    test: str


class Worker(Struct, frozen=True, kw_only=True):
    """A worker process as it last reported itself; `stopping`: it finishes what it runs and takes nothing new."""

    name: str
    pid: int
    state: WorkerState
    queues: tuple[str, ...]
    concurrency: int
    running: int
    engines: tuple[EngineStanding, ...]
    started_at: datetime
    seen_at: datetime


class CancelOrder(Input[OrderCancelled], frozen=True, kw_only=True, omit_defaults=True):
    """Which order to call off: one's own, or with `orders:manage` anybody's."""

    kind: ClassVar[str] = "orders.cancel"
    result_type: ClassVar[type[Any]] = OrderCancelled

    order_id: str


class Classify(Input[Classification], frozen=True, kw_only=True, omit_defaults=True):
    """A text to be put under one of `labels`, or under one of the platform's own when none are given."""

    kind: ClassVar[str] = "text.classify"
    result_type: ClassVar[type[Any]] = Classification

    text: str
    labels: tuple[str | Label, ...] | None = None


class Generate(Input[Generated], frozen=True, kw_only=True, omit_defaults=True):
    """A brief to be written out in a format."""

    kind: ClassVar[str] = "text.generate"
    result_type: ClassVar[type[Any]] = Generated

    format: GenerateFormat
    brief: str
    tone: str | None = None
    max_words: int | None = None


class Moderate(Input[Moderation], frozen=True, kw_only=True, omit_defaults=True):
    """A text to be judged."""

    kind: ClassVar[str] = "text.moderate"
    result_type: ClassVar[type[Any]] = Moderation

    text: str


class PlaceOrder(Input[OrderPlaced], frozen=True, kw_only=True, omit_defaults=True):
    """What to buy. The buyer is the caller, unless a caller with `orders:manage` names another customer."""

    kind: ClassVar[str] = "orders.place"
    result_type: ClassVar[type[Any]] = OrderPlaced

    lines: tuple[CartLine, ...]
    ship_to: Address | None = None
    customer_id: str | None = None


class SendEmail(Input[EmailSent], frozen=True, kw_only=True, omit_defaults=True):
    """An e-mail to send: either `subject` with `text`, `html` or both, or `template` with its `values`."""

    kind: ClassVar[str] = "emails.send"
    result_type: ClassVar[type[Any]] = EmailSent

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: str | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    template: str | None = None
    values: dict[str, Any] | None = None


class ShipOrder(Input[OrderShipped], frozen=True, kw_only=True, omit_defaults=True):
    """Which order to send. A paid order submits this by itself, once its buyer has had time to cancel."""

    kind: ClassVar[str] = "orders.ship"
    result_type: ClassVar[type[Any]] = OrderShipped

    order_id: str


class Summarize(Input[Summary], frozen=True, kw_only=True, omit_defaults=True):
    """A text to be said in at most `max_chars` characters; `language` is the text's own, where the caller knows it."""

    kind: ClassVar[str] = "text.summarize"
    result_type: ClassVar[type[Any]] = Summary

    text: str
    max_chars: int = 100
    language: str | None = None

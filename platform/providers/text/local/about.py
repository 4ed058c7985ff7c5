"""What the platform can say about itself: short passages, each with the question it answers."""

from typing import Final

from msgspec import Struct


class Passage(Struct, frozen=True):
    """A question somebody may have, and what there is to say."""

    asks: str
    says: str


PASSAGES: Final = (
    Passage(
        "What is Headrace?",
        "Headrace is an asynchronous job platform: clients hand it jobs over HTTP, Celery workers do them, and results "
        "and events are kept in Postgres.",
    ),
    Passage(
        "How do I submit a job?",
        'POST /v1/jobs with a kind and its input, such as {"kind": "text.summarize", "input": {"text": "…"}}. The '
        "answer is "
        "202 with the job and its address. From the shell: headrace submit text.summarize --input @article.txt --wait.",
    ),
    Passage(
        "How do I get the result of my job? How do I wait until it has finished?",
        "GET /v1/jobs/{id} shows the job with its result once it has succeeded. Send Prefer: wait=30 to wait for "
        "it, or follow "
        "GET /v1/jobs/{id}/events as server-sent events.",
    ),
    Passage(
        "Which kinds of jobs are there?",
        "You submit orders.place, orders.cancel, orders.ship, emails.send, text.summarize, text.moderate, "
        "text.classify and text.generate; chat.reply, webhooks.deliver and others follow from what you do. "
        "GET /v1/kinds lists them all with their schemas.",
    ),
    Passage(
        "What states does a job go through?",
        "A job is scheduled, queued, running, and in the end succeeded, failed, cancelled or expired.",
    ),
    Passage(
        "How do I cancel a job?",
        "POST /v1/jobs/{id}/cancel, or headrace jobs cancel ID. A running job is told to stop.",
    ),
    Passage(
        "What happens when a job fails? Is it tried again?",
        "What may succeed later is retried with growing, jittered delays until its attempts are used up; then the "
        "job is "
        "failed and listed among the dead letters, from where it can be redriven.",
    ),
    Passage("How do I retry a failed job?", "POST /v1/jobs/{id}/retry, or headrace jobs retry ID."),
    Passage(
        "How do I send an e-mail?",
        "Submit emails.send with to, subject and text or html, or with a template and its values. In development "
        "the mail lands in "
        "the local inbox: headrace mail list.",
    ),
    Passage(
        "How do I place an order? What happens if a product is out of stock?",
        "Submit orders.place with lines of product_id and quantity. Stock, price, store credit and the order are "
        "settled in one "
        "transaction; with too little stock the job fails with out_of_stock and nothing is changed.",
    ),
    Passage(
        "How can I schedule jobs, every day or every hour, like cron?",
        "POST /v1/schedules with a cron expression or an interval, a time zone and the job. Each firing submits "
        "exactly one job.",
    ),
    Passage(
        "How do I start Headrace?",
        "./headrace up starts Postgres, Redis, the API, the relay, a worker, beat, Flower and the local mail "
        "inbox, and prints where they "
        "are. ./headrace demo submits one job of each kind.",
    ),
    Passage(
        "How do I avoid submitting the same job twice? What is an idempotency key?",
        "Send an Idempotency-Key header: the same key and body give the first answer again, for 7 days.",
    ),
    Passage(
        "How do I get an API key? How do I authenticate?",
        "headrace up prints a key for the development admin; more are made with POST /v1/api-keys. Send it with "
        "each request.",
    ),
    Passage(
        "Where can I watch the workers and queues? What is Flower?",
        "Flower shows the Celery workers and what they do; its address is in the line headrace up prints. GET "
        "/v1/queues has depth and age.",
    ),
    Passage(
        "How do webhooks work? Can I be called back?",
        "Give a job a webhook URL, or subscribe an endpoint at /v1/webhooks to events such as job.succeeded. "
        "Deliveries are signed "
        "and are jobs themselves, so they are retried.",
    ),
    Passage(
        "Why is there no language model? How do I configure Gemini?",
        "Without a key the local text engine serves: small models and rules on this machine. Set "
        "HEADRACE_GEMINI_API_KEY and restart "
        "to use Gemini instead.",
    ),
    Passage(
        "How does summarizing work?",
        "text.summarize picks and shortens the text's own sentences to at most max_chars characters, 100 unless "
        "told otherwise; it "
        "never cuts inside a word.",
    ),
    Passage(
        "How is toxic text found? What does moderation do?",
        "text.moderate gives the probability that a text is toxic, a score for each category, and the issues found.",
    ),
    Passage(
        "Which labels can texts be classified with?",
        "text.classify takes any labels, best with a description or a few examples each; without labels it uses "
        "its own topics. It "
        "also tells sentiment and language.",
    ),
    Passage(
        "What happens to my jobs when a worker dies or the machine crashes?",
        "Nothing is lost: a job is a row in Postgres. When a worker falls silent its lease runs out and another "
        "worker takes the job.",
    ),
    Passage(
        "What is the rate limit?",
        "600 requests a minute for each API key unless configured otherwise; the RateLimit headers tell what is left.",
    ),
    Passage("How do priorities work?", "A job's priority runs from -100 to 100; higher ones are released first."),
    Passage(
        "How do I submit many jobs at once?",
        "POST /v1/batches takes up to 10,000 jobs, as JSON or as lines of JSON; they are accepted together or not "
        "at all.",
    ),
)

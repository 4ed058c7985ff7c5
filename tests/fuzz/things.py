"""Things that are there to be asked for, one of each sort, by the name of the parameter that names them in a path."""

from typing import Any, Final
from uuid import uuid4

import httpx

_LATER: Final = {"kind": "text.summarize", "input": {"text": "A long story."}, "delay": "1h"}
_SCHEDULE: Final = {
    "name": "never",
    "cron": "0 0 1 1 *",
    "job": {"kind": "text.summarize", "input": {"text": "A long story."}},
    "paused": True,
}
# an address of the public Internet, so that nobody looks up a name; the endpoint is paused before anything is sent
_WEBHOOK: Final = {"url": "https://93.184.216.34/hooks", "events": ["job.failed"]}
_BULK: Final = {"action": "retry", "filter": {"tag": "no such tag"}, "dry_run": True}


async def make_things(client: httpx.AsyncClient) -> dict[str, str]:
    """Make one of each. The job has ended."""

    async def made(path: str, body: Any = None) -> str:  # noqa: ANN401 - any JSON
        answer = await client.post(path, json=body)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    job_id = await made("/v1/jobs", _LATER)
    await made(f"/v1/jobs/{job_id}/cancel")
    webhook_id = await made("/v1/webhooks", _WEBHOOK)
    banned_id = await made("/v1/users", {"email": f"{uuid4()}@example.com", "password": "a heron waits for rain"})
    await made(f"/v1/users/{banned_id}/ban", {})
    told = await client.get("/v1/domain-events", params={"subject": banned_id})
    shop = await make_shop(client)
    return {
        "job_id": job_id,
        "batch_id": await made("/v1/batches", {"jobs": [_LATER, _LATER]}),
        "schedule_id": await made("/v1/schedules", _SCHEDULE),
        "action_id": await made("/v1/bulk-actions", _BULK),
        "user_id": await made("/v1/users", {"email": f"{uuid4()}@example.com", "password": "a heron waits for rain"}),
        "key_id": await made("/v1/api-keys", {"name": "fuzz", "scopes": []}),
        "webhook_id": webhook_id,
        "delivery_id": await made(f"/v1/webhooks/{webhook_id}/test"),
        "domain_event_id": told.json()["items"][0]["id"],
        "role": "viewer",
        "kind": "text.summarize",
        "seq": "1",
        "customer_id": "me",
        "name": "text",
        "code": "job_not_found",
        **shop,
        **await make_talk(client),
    }


async def make_talk(client: httpx.AsyncClient) -> dict[str, str]:
    """A conversation, which only who began it sees, and a message in it whose reply was cancelled."""
    begun = (await client.post("/v1/conversations", json={})).raise_for_status()
    path = f"/v1/conversations/{begun.json()['id']}/messages"
    said = (await client.post(path, json={"text": "Hello."})).raise_for_status().json()
    (await client.post(f"/v1/jobs/{said['id']}/cancel")).raise_for_status()
    return {"conversation_id": str(begun.json()["id"]), "message_id": str(said["input"]["message_id"])}


async def make_shop(client: httpx.AsyncClient) -> dict[str, str]:
    """A category, a product in it, a review of that, and a movement of its stock."""
    slug = f"things-{uuid4()}"
    product = {"sku": str(uuid4()), "name": "Thing", "price": {"amount": 100, "currency": "USD"}, "categories": [slug]}
    found = {"slug": slug}
    for name, path, body in (
        ("", "/v1/categories", {"slug": slug, "name": "Things"}),
        ("product_id", "/v1/products", product),
        ("review_id", "/v1/products/{product_id}/reviews", {"rating": 5}),
        ("movement_id", "/v1/products/{product_id}/movements", {"change": 5}),
    ):
        answer = await client.post(path.format(**found), json=body)
        assert answer.is_success, answer.text
        if name:
            found[name] = str(answer.json()["id"])
    return found

"""The console in a real browser over the real API."""

from domain.accounts.permissions import PERMISSIONS
from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from storage.workers import WorkerReport, report_worker
from tests.api.conftest import House
from tests.browser.chromium import Page

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FAILED = Verdict(state=State.FAILED, error=JobError(code="rejected", title=EVIL, detail=EVIL))
ELEMENTS = "document.querySelectorAll('main script, main img, main iframe, main svg, main style').length"


async def open_console(page: Page, house: House, *, at: str = "") -> None:
    """Visit the console and enter a key that may do everything."""
    await page.open(f"/console{at}")
    await page.until("!document.querySelector('#door').hidden")
    await page.type_in("#key", await house.key(permissions=tuple(PERMISSIONS)))
    await page.until("document.querySelectorAll('#queues tbody tr').length > 0")


def text_of(selector: str) -> str:
    return f"document.querySelector('{selector}').textContent"


async def test_queues_and_workers_are_shown(page: Page, house: House) -> None:
    jobs = [await house.submit() for _ in range(3)]
    await house.claim(jobs[0]["id"])
    worker = WorkerReport(name="worker-7", pid=7, queues=("text", "chat"), concurrency=20, running=3, stopping=False)
    async with house.database.begin() as tx:
        await report_worker(tx, worker)
    await open_console(page, house)
    queue = await page.ask("[...document.querySelector('#queues tr[data-key=text]').cells].map((c) => c.textContent)")
    assert queue[:4] == ["text", "2", "1", "0"]
    await page.until("document.querySelector('#workers tbody tr')")
    seen = await page.ask("[...document.querySelector('#workers tbody tr').cells].map((cell) => cell.textContent)")
    assert seen[:3] == ["worker-7", "text, chat", "3 of 20"]
    await page.until("document.querySelector('#health').textContent === 'API ready'")
    assert page.faults == []


async def test_workers_past_a_page_are_shown_too(page: Page, house: House) -> None:
    async with house.database.begin() as tx:
        for number in range(201):
            name = f"worker-{number}"
            await report_worker(
                tx, WorkerReport(name=name, pid=1, queues=("text",), concurrency=1, running=0, stopping=False)
            )
    await open_console(page, house)
    await page.until("document.querySelectorAll('#workers tbody tr').length === 201")
    assert page.faults == []


async def test_whatever_a_job_carries_is_shown_as_text(page: Page, house: House) -> None:
    job = await house.submit(
        input={"text": EVIL, "max_chars": 100}, tags=[EVIL], metadata={EVIL: EVIL, "__proto__": "turn\u202earound"}
    )
    await house.run(job["id"], FAILED)
    await open_console(page, house, at=f"#job={job['id']}")
    await page.until("document.querySelectorAll('#events li').length === 3")
    await page.until("document.querySelectorAll('#jobs tbody tr').length === 1")
    shown = {
        name: await page.ask(text_of(f"#{name}")) for name in ("jobs", "facts", "error", "input", "metadata", "events")
    }
    assert all(EVIL in text for text in shown.values()), shown
    assert '"__proto__": "turn\\u202earound"' in shown["metadata"]
    assert await page.ask(ELEMENTS) == 0
    assert (page.dialogs, page.faults) == ([], [])


async def test_an_address_cannot_bring_markup_or_another_path(page: Page, house: House) -> None:
    await open_console(page, house, at="#job=../../v1/kinds&kind=%3Cimg%20src=x%20onerror=alert(1)%3E")
    await page.until("document.querySelector('#job-said').textContent === 'This is not the id of a job.'")
    assert await page.ask(ELEMENTS) == 0
    assert page.dialogs == []


async def test_a_job_is_followed_cancelled_and_retried(page: Page, house: House) -> None:
    job = await house.submit()
    await open_console(page, house)
    await page.until("document.querySelector('#jobs tbody a')")
    await page.ask("document.querySelector('#jobs tbody a').click()")
    await page.until("document.querySelector('#live').textContent === 'live'")
    lease = await house.claim(job["id"])
    await page.until("document.querySelector('#facts [data-state=running]')")
    await page.ask("document.querySelector('#cancel').click()")
    await page.until("document.querySelector('#job-said').textContent === 'Its worker was told to stop.'")
    await house.settle(job["id"], lease, Verdict(state=State.CANCELLED))
    await page.until(
        "document.querySelector('#facts [data-state=cancelled]') && !document.querySelector('#retry').hidden"
    )
    await page.ask("document.querySelector('#retry').click()")
    await page.until("document.querySelector('#facts [data-state=queued]')")
    await page.ask("document.querySelector('#cancel').click()")
    await page.until("document.querySelector('#facts [data-state=cancelled]')")
    await page.until("document.querySelectorAll('#events li').length === 5")
    events = await page.ask("[...document.querySelectorAll('#events b')].map((b) => b.textContent)")
    assert events == ["queued", "started", "cancelled", "queued", "cancelled"]
    assert (await house.client.get(f"/v1/jobs/{job['id']}")).json()["state"] == "cancelled"
    assert page.faults == []


async def test_jobs_are_filtered_and_paged(page: Page, house: House) -> None:
    ended = await house.submit()
    await house.run(ended["id"], FAILED)
    for _ in range(26):
        await house.submit()
    await open_console(page, house)
    rows = "document.querySelectorAll('#jobs tbody tr').length"
    await page.until(f"{rows} === 25")
    await page.ask("document.querySelector('#older').click()")
    await page.until(f"{rows} === 2 && document.querySelector('#older').disabled")
    await page.ask("document.querySelector('#newer').click()")
    await page.until(f"{rows} === 25 && document.querySelector('#newer').disabled")
    await page.ask("document.querySelector('#older').click()")
    await page.until(f"{rows} === 2")
    await page.ask(
        "Object.assign(document.querySelector('#state'), {value: 'failed'}).dispatchEvent(new Event('change'))"
    )
    await page.until(f"{rows} === 1 && document.querySelector('#jobs tr[data-key={ended['id']}]')")
    await page.ask("history.back()")
    await page.until(f"{rows} === 25 && document.querySelector('#state').value === ''")


async def test_a_wrong_key_is_refused_and_a_good_one_stays_in_the_tab(page: Page, house: House) -> None:
    await page.open("/console")
    await page.until("!document.querySelector('#door').hidden")
    await page.type_in("#key", "hr_wrong")
    await page.until("document.querySelector('#refusal').textContent.length > 0")
    assert await page.ask("[sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""]
    key = await house.key(permissions=tuple(PERMISSIONS))
    await page.type_in("#key", key)
    await page.until("document.querySelectorAll('#queues tbody tr').length > 0")
    assert await page.ask("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    assert key not in await page.ask("document.documentElement.outerHTML + location.href")
    await page.ask("document.querySelector('#leave').click()")
    await page.until("!document.querySelector('#door').hidden && document.querySelector('#desk').hidden")
    assert await page.ask("sessionStorage.length") == 0


async def test_a_key_that_may_not_see_the_queues_is_told_so_and_still_sees_jobs(page: Page, house: House) -> None:
    await house.submit()
    await page.open("/console")
    await page.until("!document.querySelector('#door').hidden")
    await page.type_in("#key", await house.key(permissions=("jobs:read",)))
    await page.until("document.querySelectorAll('#jobs tbody tr').length === 1")
    assert "stats:read" in await page.ask(text_of("#queues > .said"))


async def test_nothing_runs_off_a_narrow_screen(page: Page, house: House) -> None:
    job = await house.submit(tags=["x" * 64], input={"text": "y" * 500})
    await house.run(job["id"], FAILED)
    await page.look(390, 844)
    await open_console(page, house, at=f"#job={job['id']}")
    await page.until("document.querySelectorAll('#events li').length === 3")
    for width in (390, 1280):
        await page.look(width, 844)
        assert await page.ask("document.documentElement.scrollWidth") <= width

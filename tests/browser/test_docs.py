"""The API's documentation in a real browser: every route is there, and can be tried."""

from domain.accounts.permissions import PERMISSIONS
from tests.api.conftest import House
from tests.browser.chromium import Page

SUBMIT = "document.querySelector('#submit_job')"


async def test_a_job_is_submitted_from_the_page(page: Page, house: House) -> None:
    await page.open("/docs")
    await page.until(f"{SUBMIT} !== null")
    await page.type_in("#key", await house.key(permissions=tuple(PERMISSIONS)))
    await page.ask(f"{SUBMIT}.open = true")
    await page.ask(f"{SUBMIT}.querySelector('select').value = 'text.summarize'")
    await page.ask(f"{SUBMIT}.querySelector('select').dispatchEvent(new Event('change'))")
    await page.ask(f"{SUBMIT}.querySelector('button').click()")
    await page.until(f"{SUBMIT}.querySelector('pre').textContent.includes('job_')")
    said = await page.ask(f"{SUBMIT}.querySelector('pre').textContent")
    assert said.startswith("202 ")
    (job,) = (await house.client.get("/v1/jobs")).json()["items"]
    assert job["kind"] == "text.summarize"
    assert page.faults == []


async def test_what_is_looked_for_stays(page: Page) -> None:
    await page.open("/docs")
    await page.until(f"{SUBMIT} !== null")
    await page.type_in("#find", "/attempts")
    shown = await page.ask("[...document.querySelectorAll('#operations details:not([hidden])')].map((each) => each.id)")
    assert shown == ["list_job_attempts"]

"""The console's files over HTTP."""

import re
from importlib.resources import files

import pytest

from tests.api.conftest import House

PAGE = "/console"
SCRIPT = "/console/console.js"
STYLE = "/console/console.css"
TYPES = {PAGE: "text/html; charset=utf-8", SCRIPT: "text/javascript; charset=utf-8", STYLE: "text/css; charset=utf-8"}


@pytest.mark.parametrize("path", TYPES)
async def test_each_file_is_served_to_whoever_asks_as_what_it_is(house: House, path: str) -> None:
    answer = await house.client.get(path, headers={"Authorization": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[path]
    assert answer.headers["x-content-type-options"] == "nosniff"
    name = "page.html" if path == PAGE else path.rpartition("/")[2]
    assert answer.content == files("api.console").joinpath(name).read_bytes()


@pytest.mark.parametrize("path", TYPES)
async def test_nothing_but_our_own_files_may_run_style_or_be_called(house: House, path: str) -> None:
    answer = await house.client.get(path)
    rules = [rule.strip() for rule in answer.headers["content-security-policy"].split(";")]
    assert {
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    } <= set(rules)
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", TYPES)
async def test_a_file_the_browser_has_is_not_sent_again(house: House, path: str) -> None:
    first = await house.client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    again = await house.client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    other = await house.client.get(path, headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(house: House) -> None:
    page = (await house.client.get(PAGE)).text
    assert re.findall(r"<(?:script|link)[^>]*>", page) == [
        f'<link rel="stylesheet" href="{STYLE}">',
        f'<script src="{SCRIPT}" defer>',
    ]
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://|<iframe|<img", page)
    for path in (SCRIPT, STYLE):
        assert "://" not in (await house.client.get(path)).text


async def test_the_script_turns_no_text_into_markup(house: House) -> None:
    script = (await house.client.get(SCRIPT)).text
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage", script
    )


async def test_every_field_has_a_label_and_every_column_a_header(house: House) -> None:
    page = (await house.client.get(PAGE)).text
    labelled = set(re.findall(r'<label for="(\w+)"', page)) | set(
        re.findall(r'<label>[^<]*<(?:select|input) id="(\w+)"', page)
    )
    assert set(re.findall(r'<(?:input|select) id="(\w+)"', page)) == labelled
    headers = re.findall(r"<th\b[^>]*>", page)
    assert headers
    assert all(header.startswith('<th scope="col"') for header in headers)

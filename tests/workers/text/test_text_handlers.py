from typing import Any

import msgspec
import pytest

from domain.jobs.kind import Kind
from domain.jobs.state import State
from domain.text.classify import CLASSIFY
from domain.text.generate import GENERATE
from domain.text.moderate import MODERATE
from domain.text.summarize import SUMMARIZE
from storage.jobs import submit_jobs
from tests.support.bench import execute, open_bench, stored
from tests.support.jobs import make_job
from tests.support.scripted_text import USAGE, ScriptedText
from workers.handlers import bind
from workers.text.classify import classify
from workers.text.generate import generate
from workers.text.moderate import moderate
from workers.text.summarize import summarize

BINDINGS = (
    bind(SUMMARIZE, summarize),
    bind(MODERATE, moderate),
    bind(CLASSIFY, classify),
    bind(GENERATE, generate),
)


@pytest.mark.parametrize("kind", [SUMMARIZE, MODERATE, CLASSIFY, GENERATE], ids=lambda kind: kind.name)
async def test_the_providers_answer_is_the_result_and_its_cost_is_kept(
    database_url: str, redis_url: str, kind: Kind[Any, Any]
) -> None:
    text = ScriptedText()
    async with open_bench(database_url, redis_url, *BINDINGS, text=text) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit_jobs(tx, [make_job(kind)])
        await execute([job.id], bench)
        ended = await stored(bench.use.database, job)
    assert ended.state is State.SUCCEEDED
    assert ended.result is not None
    assert ended.usage is not None
    assert msgspec.json.decode(ended.result, type=kind.result).engine == "scripted"
    assert msgspec.json.decode(ended.usage, type=type(USAGE)) == USAGE
    assert text.asked == [kind.example]

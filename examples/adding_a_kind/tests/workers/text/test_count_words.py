from domain.text.count_words import COUNT_WORDS
from tests.support.bench import execute, open_bench, stored
from tests.support.jobs import make_job, submit
from workers.handlers import BY_KIND


async def test_the_words_of_a_text_are_counted(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url, BY_KIND[COUNT_WORDS.name]) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx, make_job(COUNT_WORDS))
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).result == b'{"words":6}'

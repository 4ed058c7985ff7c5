"""The handler of `text.count_words`."""

from domain.text.count_words import CountWords, WordsCounted
from workers.context import Context


async def count_words(asked: CountWords, ctx: Context) -> WordsCounted:
    """Count the words of the text."""
    return WordsCounted(words=len(asked.text.split()))

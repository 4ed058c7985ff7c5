"""One idea, one word: names of files, of what stands in them, and of tests."""

import ast
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import PurePosixPath

from tests.house.source import Source, listed, sources

_NO_MODULE_IS_CALLED = {
    "base",
    "common",
    "helper",
    "helpers",
    "manager",
    "misc",
    "service",
    "services",
    "util",
    "utils",
}

_NOT_USED = {
    "task": "job", "payload": "input", "data": "what it is", "message": "what it says", "manager": "what it does",
    "service": "what it does", "helper": "what it does", "util": "what it does", "misc": "what it is",
}  # fmt: skip

# (where, the word or name, why it is the field's own there)
_ALLOWED = (
    ("platform/runtime/wakeups.py", "task", "asyncio's"),
    ("platform/schedules/beat.py", "task", "Celery's"),
    ("platform/workers/pool.py", "task", "Celery's"),
    ("platform/workers/task_events.py", "task", "Celery's"),
    ("platform/workers/worker.py", "task", "Celery's, and asyncio's"),
    ("platform/*", "data_dir", "HEADRACE_DATA_DIR, as the contract names it"),
    ("platform/runtime/data_dir.py", "data", "the folder of that setting"),
    ("platform/*", "DataDir*", "as above"),
    ("platform/api/*", "data", "Litestar's name for a body, and the field of server-sent events"),
    ("platform/runtime/child_logs.py", "data", "asyncio's protocol names it"),
    ("platform/providers/mail/inbox.py", "handle_DATA", "SMTP's verb"),
    ("benchmarks/recovery.py", "handle_DATA", "as above"),
    ("benchmarks/overload.py", "data", "asyncio's protocol names it"),
    ("platform/providers/text/*", "data", "what a model was fitted on"),
    ("platform/runtime/embedded/postgres.py", "of_the_data", "Postgres's data directory"),
    ("platform/storage/*", "data", "the bytes the driver hands over, and a column of events"),
    ("platform/workers/context.py", "data", "what an event carries, as its column is named"),
    ("platform/domain/jobs/events.py", "data", "as above"),
    ("platform/cli/watching.py", "data", "the field of server-sent events"),
    ("platform/*/chat/*", "message", "chat's"),
    ("platform/*/chat.py", "message", "chat's"),
    ("clients/python/src/headrace/*/chat.py", "message", "chat's"),
    ("clients/python/src/headrace/*/replies.py", "message", "chat's"),
    ("clients/python/src/headrace/replying.py", "message", "chat's"),
    ("clients/python/src/headrace/models.py", "message", "chat's, and an e-mail's"),
    ("platform/storage/tables.py", "message", "chat's"),
    ("platform/domain/text/prompts.py", "message", "chat's: a prompt is a conversation"),
    ("platform/domain/ids.py", "MessageId", "chat's"),
    ("platform/providers/text/*", "message", "chat's, and Gemini's"),
    ("platform/*/emails/*", "message", "an e-mail, as its standard calls it"),
    ("platform/providers/mail/*", "message", "as above"),
    ("platform/runtime/broker.py", "message", "the broker's"),
    ("platform/providers/http/outbound.py", "on_message_complete", "httptools' name for it"),
    ("platform/workers/*", "message", "the broker's"),
    ("platform/runtime/subscription.py", "message", "Redis's"),
    ("platform/runtime/settings.py", "message", "an exception's"),
    ("platform/storage/chat_history.py", "message", "chat's"),
    ("platform/storage/chat_summaries.py", "message*", "chat's"),
    ("platform/storage/chat_history.py", "message_id", "chat's"),
    ("platform/storage/chat_history.py", "find_message", "chat's"),
    ("platform/api/*", "message", "an exception's"),
    ("clients/python/src/headrace/models.py", "data", "CloudEvents' name for it"),
)

_FEWEST_WORDS = 4


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not (broken := list(empty_names(source.path for source in sources()))), listed(broken)


def test_a_module_with_such_a_name_would_be_named() -> None:
    assert list(empty_names(["platform/api/utils.py", "tests/common/x.py", "platform/api/paging.py"])) == [
        "platform/api/utils.py",
        "tests/common/x.py",
    ]


def test_names_keep_to_the_glossary() -> None:
    assert not (broken := list(synonyms(sources("platform", "clients", "benchmarks")))), listed(broken)


def test_a_synonym_would_be_named() -> None:
    planted = Source(
        "platform/domain/x.py",
        "class TaskRunner: ...\ndef send(payload, *, to): user_data = to\nmessages: list[str] = []\ndatabase = 1",
    )
    assert {line.split()[1] for line in synonyms([planted])} == {"TaskRunner", "payload", "user_data", "messages"}


def test_every_word_allowed_is_still_in_use() -> None:
    used = {(where, word) for where, word in _hits(sources("platform", "clients", "benchmarks"))}
    stale = [
        f"{where}: {word}"
        for where, word, _ in _ALLOWED
        if not any(fnmatch(path, where) and _covers(word, name) for path, name in used)
    ]
    assert not stale, listed(stale)


def test_the_names_of_tests_are_sentences() -> None:
    assert not (broken := list(mumbled(sources("tests", "examples")))), listed(broken)


def test_a_test_with_no_sentence_for_a_name_would_be_named() -> None:
    planted = Source("tests/x.py", "def test_submit(): ...\nasync def test_a_lost_lease_cannot_settle(): ...")
    assert [line.split()[-1] for line in mumbled([planted])] == ["test_submit"]


def empty_names(paths: Iterable[str]) -> Iterable[str]:
    """Modules and packages called after nothing in particular."""
    for path in paths:
        if _NO_MODULE_IS_CALLED & set(PurePosixPath(path).with_suffix("").parts):
            yield path


def synonyms(found: Iterable[Source]) -> Iterable[str]:
    """Names made of words the glossary does not use, but for those allowed."""
    for source in found:
        for node, name in _named_here(source):
            for word in _words(name) & _NOT_USED.keys():
                if not any(fnmatch(source.path, where) and _covers(allowed, name) for where, allowed, _ in _ALLOWED):
                    yield f"{source.at(node)} {name} (say {_NOT_USED[word]}, not {word})"


def mumbled(found: Iterable[Source]) -> Iterable[str]:
    """Tests whose names are no sentences."""
    for source in found:
        for node in source.nodes():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                words = node.name.split("_")
                if words[0] == "test" and len(words) < _FEWEST_WORDS:
                    yield f"{source.at(node)} {node.name}"


def _hits(found: Iterable[Source]) -> Iterable[tuple[str, str]]:
    for source in found:
        yield from ((source.path, name) for _, name in _named_here(source) if _words(name) & _NOT_USED.keys())


def _covers(allowed: str, name: str) -> bool:
    return allowed in _words(name) if allowed in _NOT_USED else fnmatch(name, f"*{allowed}*")


def _named_here(source: Source) -> Iterable[tuple[ast.AST, str]]:
    for node in source.nodes():
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node, name
            case _:
                pass


def _words(name: str) -> set[str]:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name.replace("_", " "))
    return {word.lower().removesuffix("s") if len(word) > len("does") else word.lower() for word in words}

"""Patterns in the description say in words what they ask for: a client's author should not have to read one."""

from typing import Any

from api.wording import pattern_of_id

Json = Any


def tell_patterns(node: Json) -> None:
    """Say of every id below `node` what an id looks like, where nothing is said yet."""
    if isinstance(node, dict):
        pattern = node.get("pattern")
        if isinstance(pattern, str) and "description" not in node and (told := pattern_of_id(pattern)) is not None:
            node["description"] = told
        for below in node.values():
            tell_patterns(below)
    elif isinstance(node, list):
        for below in node:
            tell_patterns(below)

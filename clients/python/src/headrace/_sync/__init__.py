"""The client for asyncio; `_sync` is made of it."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

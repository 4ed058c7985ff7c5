"""One half of the client; the other, in `_sync`, is made of what stands in `_sync`."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

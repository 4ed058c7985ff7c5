"""The end of a pattern that says what a whole text looks like."""

from typing import Final

END: Final = r"$(?!\n)"
"""What a `$` means to JSON Schema: to Python it also matches before a line feed that ends the text."""

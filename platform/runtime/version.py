"""Which release this is."""

from typing import Final

VERSION: Final = "0.1.0"
"""As pyproject.toml has it: an image holds the code alone, and is asked all the same."""

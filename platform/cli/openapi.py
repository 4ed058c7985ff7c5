"""`headrace openapi`."""

import click

from cli.options import ApiCommand, Use, pass_use
from cli.output import Format, show_json


@click.command(cls=ApiCommand)
@pass_use
def openapi(use: Use) -> None:
    """Print the API's OpenAPI description, as JSON."""
    body = use.client.get("/schema/openapi.json").body
    if use.output.format is Format.JSONL:
        use.output.thing(body)
    else:
        show_json(body)

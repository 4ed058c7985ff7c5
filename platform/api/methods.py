"""OPTIONS: which methods a path takes."""

from collections.abc import Collection
from typing import Any

from litestar.connection import Request
from litestar.response import Response


async def tell_methods(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Answer OPTIONS with every method of the path; leave anything else to its handler.

    Litestar would name those of the handler that was registered first, where a path has several.
    """
    if request.method != "OPTIONS":
        return None
    template = request.scope["path_template"]
    methods = {method for route in request.app.routes if route.path_format == template for method in route.methods}
    return Response(None, status_code=204, headers={"Allow": spelled_methods(methods)})


def spelled_methods(methods: Collection[str]) -> str:
    """Methods as `Allow` names them. Where GET is one HEAD is, too."""
    return ", ".join(sorted({*methods} | ({"HEAD"} if "GET" in methods else set())))

"""E-mails, with a route of their own: the body is the e-mail, the options stand in the query."""

from typing import Final

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Response

from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE
from api.job_view import JobView
from api.preferences import WAITS
from api.submit import submit
from domain.emails.send_email import SEND_EMAIL, SendEmail
from domain.jobs.job import JobOptions


@post("/emails", guards=[needs("jobs:submit")], status_code=202, opt={**WAITS, **ONCE})
async def send_email(
    request: ApiRequest, data: JSONBody[SendEmail], use: NamedDependency[Use], options: NamedDependency[JobOptions]
) -> Response[JobView]:
    """Submit a job that sends an e-mail."""
    return await submit(request, use, SEND_EMAIL, data, options)


router: Final = Router("/v1", route_handlers=[send_email], tags=["E-mails"])

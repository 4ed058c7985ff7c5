"""The kinds of text, each with a route of its own: the body is the input, the options stand in the query."""

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
from api.preferences import ANEW, WAITS
from api.submit import submit
from domain.jobs.job import JobOptions
from domain.text.classify import CLASSIFY, Classify
from domain.text.generate import GENERATE, Generate
from domain.text.moderate import MODERATE, Moderate
from domain.text.summarize import SUMMARIZE, Summarize


@post("/summarize", guards=[needs("jobs:submit")], status_code=202, opt={**WAITS, **ONCE, **ANEW})
async def summarize(
    request: ApiRequest, data: JSONBody[Summarize], use: NamedDependency[Use], options: NamedDependency[JobOptions]
) -> Response[JobView]:
    """Submit a job that says a text in few characters."""
    return await submit(request, use, SUMMARIZE, data, options)


@post("/moderate", guards=[needs("jobs:submit")], status_code=202, opt={**WAITS, **ONCE, **ANEW})
async def moderate(
    request: ApiRequest, data: JSONBody[Moderate], use: NamedDependency[Use], options: NamedDependency[JobOptions]
) -> Response[JobView]:
    """Submit a job that tells what is wrong with a text."""
    return await submit(request, use, MODERATE, data, options)


@post("/classify", guards=[needs("jobs:submit")], status_code=202, opt={**WAITS, **ONCE, **ANEW})
async def classify(
    request: ApiRequest, data: JSONBody[Classify], use: NamedDependency[Use], options: NamedDependency[JobOptions]
) -> Response[JobView]:
    """Submit a job that finds the topic, sentiment and language of a text."""
    return await submit(request, use, CLASSIFY, data, options)


@post("/generate", guards=[needs("jobs:submit")], status_code=202, opt={**WAITS, **ONCE, **ANEW})
async def generate(
    request: ApiRequest, data: JSONBody[Generate], use: NamedDependency[Use], options: NamedDependency[JobOptions]
) -> Response[JobView]:
    """Submit a job that writes a text."""
    return await submit(request, use, GENERATE, data, options)


router: Final = Router("/v1/text", route_handlers=[summarize, moderate, classify, generate], tags=["Text"])

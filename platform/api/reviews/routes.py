"""Reviews of products over HTTP: a customer has one of each product, which they may change and remove."""

from typing import Annotated, Final

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response
from msgspec import UNSET

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.problems import base_url
from api.reviews.views import ReviewBody, ReviewChanges, ReviewRemoved, ReviewView, view_review
from domain.accounts.user import Caller
from domain.ids import is_id
from domain.orders.order import READ
from domain.orders.product import unknown_product
from domain.orders.review import (
    LEAST_RATING,
    MODERATE,
    MOST_RATING,
    WRITE,
    AlreadyReviewed,
    NewReview,
    Review,
    ReviewNotFound,
    ReviewOfAnother,
    review_event,
)
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.database import Tx
from storage.domain_events import tell
from storage.products import find_product
from storage.reviews import add_review, find_review, find_review_of, list_reviews, remove_review, save_review

ProductPath = FromPath[str]
ReviewPath = FromPath[str]
RatingParameter = Annotated[
    int | None, QueryParameter(ge=LEAST_RATING, le=MOST_RATING, description="those of so many stars")
]

_EXAMPLE: Final = {"rating": 5, "title": "Writes like a dream", "text": "Smooth from the first line; takes any ink."}
_CHANGES: Final = {"rating": 4, "text": "Still smooth after a year, and the cap has come loose."}


@post("/products/{product_id:str}/reviews", status_code=201, guards=[needs(WRITE)], opt={**ONCE, "example": _EXAMPLE})
async def create(
    request: ApiRequest,
    product_id: ProductPath,
    data: JSONBody[ReviewBody],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> Response[ReviewView]:
    """Review a product, once. Its `rating` and `reviews` count are right from the same moment on.

    `product.reviewed` is told of it. Whether the caller had bought the product is noted, and not asked.
    """
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        await _check_product(tx, caller, product_id)
        new = NewReview(
            id=new_id("review"),
            tenant_id=caller.tenant_id,
            product_id=product_id,
            customer_id=caller.user_id,
            rating=data.rating,
            title=data.title,
            text=data.text,
        )
        reviewed = await add_review(tx, new)
        if reviewed is None:
            raise await _already(tx, caller, product_id)
        view = view_review(reviewed.review, base_url(request.scope))
        location = f"/v1/products/{product_id}/reviews/{view.id}"
        response = Response(view, status_code=201, headers={"Location": location})
        await keep_response(tx, key, response)
        told = await tell(tx, [review_event(caller.tenant_id, reviewed)])
    if told:
        use.wakeups.ring_relay()
    return response


@get("/products/{product_id:str}/reviews", guards=[needs(READ)])
async def list_(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    product_id: ProductPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    rating: RatingParameter = None,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[ReviewView]]:
    """The reviews of a product, newest first."""
    before = read_cursor(cursor, "review")
    async with use.database.read() as tx:
        await _check_product(tx, caller, product_id)
        found = await list_reviews(tx, caller.tenant_id, product_id, limit=limit + 1, rating=rating, before=before)
    base = base_url(request.scope)
    return answer_page(request, found, limit, view=lambda one: view_review(one, base), mark=lambda one: one.id)


@get("/products/{product_id:str}/reviews/{review_id:str}", guards=[needs(READ)])
async def show(
    request: ApiRequest,
    product_id: ProductPath,
    review_id: ReviewPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> ReviewView:
    """A review of a product."""
    async with use.database.read() as tx:
        review = await _found(tx, caller, product_id, review_id)
    return view_review(review, base_url(request.scope))


@patch(
    "/products/{product_id:str}/reviews/{review_id:str}",
    guards=[needs(WRITE)],
    opt={"example": _CHANGES},
)
async def change(  # noqa: PLR0913, PLR0917 - which review, and what of it
    request: ApiRequest,
    product_id: ProductPath,
    review_id: ReviewPath,
    data: JSONBody[ReviewChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> ReviewView:
    """Change one's own review. The product's `rating` follows; nothing is told."""
    async with use.database.begin() as tx:
        review = await _found(tx, caller, product_id, review_id)
        if review.customer_id != caller.user_id:
            raise ReviewOfAnother("Nobody changes what somebody else says.")
        saved = await save_review(
            tx,
            caller.tenant_id,
            product_id,
            review_id,
            of=caller.user_id,
            rating=None if data.rating is UNSET else data.rating,
            title=None if data.title is UNSET else data.title,
            words=None if data.text is UNSET else data.text,
        )
        if saved is None:
            raise _not_found()
    return view_review(saved, base_url(request.scope))


@delete(
    "/products/{product_id:str}/reviews/{review_id:str}",
    guards=[needs(WRITE)],
    status_code=204,
    opt=audited("review.removed"),
)
async def remove(
    request: ApiRequest,
    product_id: ProductPath,
    review_id: ReviewPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> None:
    """Remove one's own review, or with `reviews:manage` anybody's. The product's `rating` and `reviews` follow.

    Who removed their own may review the product anew.
    """
    async with use.database.begin() as tx:
        review = await _found(tx, caller, product_id, review_id)
        if review.customer_id != caller.user_id and not caller.may(MODERATE):
            raise ReviewOfAnother(f"Removing what somebody else says needs the permission {MODERATE}.")
        removed = await remove_review(tx, caller.tenant_id, product_id, review_id, of=review.customer_id)
        if removed is None:
            raise _not_found()
        if removed.customer_id != caller.user_id:
            before = ReviewRemoved(
                product_id=removed.product_id, customer_id=removed.customer_id, rating=removed.rating
            )
            await audit(tx, actor_of(request), act("review.removed", removed.id, before=before))


router: Final = Router("/v1", route_handlers=[create, list_, show, change, remove], tags=["Orders"])


async def _check_product(tx: Tx, caller: Caller, product_id: str) -> None:
    if await find_product(tx, caller.tenant_id, product_id) is None:
        raise unknown_product([product_id])


async def _found(tx: Tx, caller: Caller, product_id: str, review_id: str) -> Review:
    await _check_product(tx, caller, product_id)
    review = await find_review(tx, caller.tenant_id, product_id, review_id) if is_id("review", review_id) else None
    if review is None:
        raise _not_found()
    return review


async def _already(tx: Tx, caller: Caller, product_id: str) -> AlreadyReviewed:
    stands = await find_review_of(tx, caller.tenant_id, product_id, caller.user_id)
    which = "" if stands is None else f": {stands.id}"
    return AlreadyReviewed(f"You have reviewed this product{which}. Change that one, or remove it first.")


def _not_found() -> ReviewNotFound:
    return ReviewNotFound("There is no such review of this product.")

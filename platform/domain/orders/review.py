"""What a customer says of a product: one review of each, in stars and in words."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from domain.domain_event import DomainEvent
from domain.errors import Conflict, Forbidden, NotFound

WRITE: Final = "reviews:write"
"""The permission to review products, and to change and remove one's own reviews."""

MODERATE: Final = "reviews:manage"
"""The permission to remove anybody's reviews."""

LEAST_RATING: Final = 1
MOST_RATING: Final = 5

Rating = Annotated[int, Meta(ge=LEAST_RATING, le=MOST_RATING, description="stars: 1 is the worst, 5 the best")]
Title = Annotated[str, Meta(max_length=200)]
Words = Annotated[str, Meta(max_length=10_000)]


class ReviewNotFound(NotFound):
    """The product has no such review."""

    code = "review_not_found"
    title = "There is no such review"


class AlreadyReviewed(Conflict):
    """The customer has reviewed the product."""

    code = "already_reviewed"
    title = "The product is reviewed already"


class ReviewOfAnother(Forbidden):
    """Nobody puts words into the mouth of somebody else."""

    code = "review_of_another"
    title = "The review is somebody else's"


class NewReview(Struct, frozen=True, kw_only=True):
    """A review not yet written."""

    id: str
    tenant_id: str
    product_id: str
    customer_id: str
    rating: int
    title: str
    text: str


class Review(Struct, frozen=True, kw_only=True):
    """A review as it stands. `verified_purchase`: the customer had bought the product when they wrote it."""

    id: str
    product_id: str
    customer_id: str
    rating: int
    title: str
    text: str
    verified_purchase: bool
    created_at: datetime
    updated_at: datetime


class Reviewed(Struct, frozen=True, kw_only=True):
    """A review that was written, and the product with it."""

    review: Review
    sku: str
    name: str
    reviews: int
    rating: float | None


class ReviewTold(Struct, frozen=True, kw_only=True):
    """A review as it was when it was written, and what the product's come to with it; not its words, which may go."""

    review_id: str
    product_id: str
    sku: str
    name: str
    customer_id: str
    rating: int
    verified_purchase: bool
    product_rating: float | None
    product_reviews: int


def mean_rating(total: int, reviews: int) -> float | None:
    """The mean of so many ratings that come to `total`, to a hundredth; None where there are none."""
    return round(total / reviews, 2) if reviews else None


def review_event(tenant_id: str, reviewed: Reviewed) -> DomainEvent:
    """That a product was reviewed."""
    review = reviewed.review
    about = ReviewTold(
        review_id=review.id,
        product_id=review.product_id,
        sku=reviewed.sku,
        name=reviewed.name,
        customer_id=review.customer_id,
        rating=review.rating,
        verified_purchase=review.verified_purchase,
        product_rating=reviewed.rating,
        product_reviews=reviewed.reviews,
    )
    return DomainEvent(
        tenant_id=tenant_id,
        type="product.reviewed",
        source="/v1/products",
        subject=review.product_id,
        about=about,
        cause=review.id,
    )

"""Reviews as clients write them and as the API shows them."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.job_view import Time
from domain.orders.review import Rating, Review, Title, Words


class ReviewBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller says of a product."""

    rating: Rating
    title: Title = ""
    text: Words = ""


class ReviewChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a review; what is left out stays."""

    rating: Rating | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    text: Words | UnsetType = UNSET


class ReviewLinks(Struct, frozen=True, kw_only=True):
    """Where to go from here."""

    self: str
    product: str


class ReviewView(Struct, frozen=True, kw_only=True):
    """What a customer says of a product."""

    id: Annotated[str, Meta(pattern="^review_[0-9a-f]{32}$")]
    product_id: Annotated[str, Meta(pattern="^product_[0-9a-f]{32}$")]
    customer_id: Annotated[str, Meta(pattern="^user_[0-9a-f]{32}$")]
    rating: Rating
    title: str
    text: str
    verified_purchase: Annotated[bool, Meta(description="the customer had bought it when they wrote")]
    created_at: Time
    updated_at: Time
    links: ReviewLinks


class ReviewRemoved(Struct, frozen=True, kw_only=True):
    """What the audit log is told of a review that was removed; not its words."""

    product_id: str
    customer_id: str
    rating: int


def view_review(review: Review, base: str) -> ReviewView:
    """The review as shown to a client that reached us at `base`."""
    product = f"{base}/v1/products/{review.product_id}"
    return ReviewView(
        id=review.id,
        product_id=review.product_id,
        customer_id=review.customer_id,
        rating=review.rating,
        title=review.title,
        text=review.text,
        verified_purchase=review.verified_purchase,
        created_at=review.created_at,
        updated_at=review.updated_at,
        links=ReviewLinks(self=f"{product}/reviews/{review.id}", product=product),
    )

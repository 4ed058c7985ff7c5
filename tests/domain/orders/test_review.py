from datetime import UTC, datetime

import pytest

from domain.orders.review import Review, Reviewed, ReviewTold, mean_rating, review_event

AT = datetime(2030, 1, 1, tzinfo=UTC)
REVIEW = Review(
    id="review_1",
    product_id="product_1",
    customer_id="user_1",
    rating=2,
    title="Leaks",
    text="All over my shirt.",
    verified_purchase=True,
    created_at=AT,
    updated_at=AT,
)


@pytest.mark.parametrize(
    ("total", "reviews", "mean"), [(0, 0, None), (5, 1, 5.0), (13, 3, 4.33), (14, 3, 4.67), (1, 1, 1.0)]
)
def test_the_mean_of_ratings_is_to_a_hundredth(total: int, reviews: int, mean: float | None) -> None:
    assert mean_rating(total, reviews) == mean


def test_what_is_told_of_a_review_holds_none_of_its_words() -> None:
    event = review_event("tenant_1", Reviewed(review=REVIEW, sku="PEN", name="Pen", reviews=2, rating=3.5))
    assert (event.type, event.subject, event.cause) == ("product.reviewed", "product_1", "review_1")
    assert isinstance(event.about, ReviewTold)
    assert (event.about.rating, event.about.product_rating, event.about.product_reviews) == (2, 3.5, 2)
    assert "shirt" not in repr(event)
    assert "Leaks" not in repr(event)

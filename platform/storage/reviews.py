"""Reviews in SQL. How many a product has and what they come to are written with each, in the one statement."""

from typing import Any, Final

from sqlalchemy import CursorResult, Row, text

from domain.orders.review import NewReview, Review, Reviewed, mean_rating
from storage.database import Tx

_REVIEW: Final = "id, product_id, customer_id, rating, title, text, verified_purchase, created_at, updated_at"

# Who reviews a product twice at once waits for the first to commit, and then adds nothing.
_ADD: Final = text(f"""
WITH added AS (
    INSERT INTO reviews (id, tenant_id, product_id, customer_id, rating, title, text, verified_purchase)
    SELECT :id, :tenant_id, :product_id, :customer_id, :rating, :title, :text, EXISTS (
        SELECT FROM orders JOIN order_lines ON order_lines.order_id = orders.id
        WHERE orders.customer_id = :customer_id AND orders.tenant_id = :tenant_id
            AND orders.status IN ('paid', 'shipped') AND order_lines.product_id = :product_id
    )
    ON CONFLICT (product_id, customer_id) DO NOTHING
    RETURNING {_REVIEW}
), counted AS (
    UPDATE products SET reviews = products.reviews + 1, rating_sum = products.rating_sum + added.rating
    FROM added WHERE products.id = added.product_id AND products.tenant_id = :tenant_id
    RETURNING products.sku, products.name AS product, products.reviews, products.rating_sum
)
SELECT * FROM added CROSS JOIN counted
""")  # noqa: S608 - the only thing formatted in is a constant list of columns

# The row is read under its lock, so that the rating it leaves is the one that was counted.
_SAVE: Final = text(f"""
WITH old AS (
    SELECT id, rating FROM reviews
    WHERE id = :id AND product_id = :product_id AND customer_id = :customer_id AND tenant_id = :tenant_id
    FOR UPDATE
), saved AS (
    UPDATE reviews SET rating = coalesce(CAST(:rating AS smallint), reviews.rating),
        title = coalesce(CAST(:title AS text), reviews.title), text = coalesce(CAST(:text AS text), reviews.text),
        updated_at = CASE WHEN (reviews.rating, reviews.title, reviews.text) = (
            coalesce(CAST(:rating AS smallint), reviews.rating),
            coalesce(CAST(:title AS text), reviews.title), coalesce(CAST(:text AS text), reviews.text)
        ) THEN reviews.updated_at ELSE now() END
    FROM old WHERE reviews.id = old.id
    RETURNING reviews.*, reviews.rating - old.rating AS change
), counted AS (
    UPDATE products SET rating_sum = products.rating_sum + saved.change
    FROM saved
    WHERE products.id = saved.product_id AND products.tenant_id = :tenant_id AND saved.change <> 0
)
SELECT {_REVIEW} FROM saved
""")  # noqa: S608 - as above

_REMOVE: Final = text(f"""
WITH removed AS (
    DELETE FROM reviews
    WHERE id = :id AND product_id = :product_id AND tenant_id = :tenant_id
        AND (CAST(:customer_id AS text) IS NULL OR customer_id = :customer_id)
    RETURNING {_REVIEW}
), counted AS (
    UPDATE products SET reviews = products.reviews - 1, rating_sum = products.rating_sum - removed.rating
    FROM removed WHERE products.id = removed.product_id AND products.tenant_id = :tenant_id
)
SELECT * FROM removed
""")  # noqa: S608 - as above

_FIND: Final = text(f"""
SELECT {_REVIEW} FROM reviews WHERE id = :id AND product_id = :product_id AND tenant_id = :tenant_id
""")  # noqa: S608 - as above

_FIND_OF: Final = text(f"""
SELECT {_REVIEW} FROM reviews
WHERE product_id = :product_id AND customer_id = :customer_id AND tenant_id = :tenant_id
""")  # noqa: S608 - as above

_LIST: Final = text(f"""
SELECT {_REVIEW} FROM reviews
WHERE product_id = :product_id AND tenant_id = :tenant_id
    AND (CAST(:rating AS smallint) IS NULL OR rating = :rating)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above


async def add_review(tx: Tx, review: NewReview) -> Reviewed | None:
    """Write a review of a product that is there; None: the customer has reviewed it."""
    row = (
        await tx.execute(
            _ADD,
            {
                "id": review.id,
                "tenant_id": review.tenant_id,
                "product_id": review.product_id,
                "customer_id": review.customer_id,
                "rating": review.rating,
                "title": review.title,
                "text": review.text,
            },
        )
    ).one_or_none()
    if row is None:
        return None
    return Reviewed(
        review=_as_review(row),
        sku=row.sku,
        name=row.product,
        reviews=row.reviews,
        rating=mean_rating(row.rating_sum, row.reviews),
    )


async def save_review(  # noqa: PLR0913 - which, whose, and what of it
    tx: Tx,
    tenant_id: str,
    product_id: str,
    review_id: str,
    *,
    of: str,
    rating: int | None = None,
    title: str | None = None,
    words: str | None = None,
) -> Review | None:
    """Change what is given of the review of the customer `of`; None: they have no such review.

    Where it says all that already, it was not updated.
    """
    given = {
        "id": review_id,
        "tenant_id": tenant_id,
        "product_id": product_id,
        "customer_id": of,
        "rating": rating,
        "title": title,
        "text": words,
    }
    return _one(await tx.execute(_SAVE, given))


async def remove_review(tx: Tx, tenant_id: str, product_id: str, review_id: str, *, of: str | None) -> Review | None:
    """Remove a review, with `of` only that customer's; answers with what it was. None: there is none."""
    given = {"id": review_id, "tenant_id": tenant_id, "product_id": product_id, "customer_id": of}
    return _one(await tx.execute(_REMOVE, given))


async def find_review(tx: Tx, tenant_id: str, product_id: str, review_id: str) -> Review | None:
    """A review of a product, or None."""
    return _one(await tx.execute(_FIND, {"id": review_id, "tenant_id": tenant_id, "product_id": product_id}))


async def find_review_of(tx: Tx, tenant_id: str, product_id: str, customer_id: str) -> Review | None:
    """A customer's review of a product, or None."""
    given = {"customer_id": customer_id, "tenant_id": tenant_id, "product_id": product_id}
    return _one(await tx.execute(_FIND_OF, given))


async def list_reviews(  # noqa: PLR0913 - a list has these many sides
    tx: Tx, tenant_id: str, product_id: str, *, limit: int, rating: int | None = None, before: str | None = None
) -> list[Review]:
    """A product's reviews, or those of so many stars, newest first, older than the id `before`."""
    given = {
        "tenant_id": tenant_id,
        "product_id": product_id,
        "rating": rating,
        "before": before,
        "limit": limit,
    }
    return [_as_review(row) for row in await tx.execute(_LIST, given)]


def _one(rows: CursorResult[Any]) -> Review | None:
    row = rows.one_or_none()
    return None if row is None else _as_review(row)


def _as_review(row: Row[Any]) -> Review:
    return Review(
        id=row.id,
        product_id=row.product_id,
        customer_id=row.customer_id,
        rating=row.rating,
        title=row.title,
        text=row.text,
        verified_purchase=row.verified_purchase,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

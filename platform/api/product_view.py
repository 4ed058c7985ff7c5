"""Products as the API shows them, wherever it does."""

from typing import Annotated

from msgspec import Meta, Struct

from api.job_view import Time
from domain.orders.money import Money
from domain.orders.product import Product


class ProductView(Struct, frozen=True, kw_only=True):
    """A product as it stands now. `rating` is the mean of its reviews, null while there are none."""

    id: Annotated[str, Meta(pattern="^product_[0-9a-f]{32}$")]
    sku: str
    name: str
    description: str
    price: Money
    stock: Annotated[int, Meta(ge=0, description="pieces that can be ordered")]
    categories: Annotated[tuple[str, ...], Meta(description="slugs of the categories it is in")]
    rating: Annotated[float, Meta(ge=1, le=5)] | None
    reviews: Annotated[int, Meta(ge=0, description="how many reviews there are")]
    created_at: Time


def view_product(product: Product) -> ProductView:
    """The product as shown."""
    return ProductView(
        id=product.id,
        sku=product.sku,
        name=product.name,
        description=product.description,
        price=product.price,
        stock=product.stock,
        categories=product.categories,
        rating=product.rating,
        reviews=product.reviews,
        created_at=product.created_at,
    )

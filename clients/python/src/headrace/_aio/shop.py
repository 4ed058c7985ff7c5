"""The shop: products, orders, customers' store credit."""

from collections.abc import Sequence

from headrace._aio.http import AsyncConnection
from headrace._aio.jobs import AsyncJobs
from headrace._aio.kinds import AsyncOrdersKinds
from headrace._aio.listing import AsyncListing, everything, reads
from headrace.models import (
    Adjustment,
    Balance,
    Category,
    DepositMade,
    Money,
    Order,
    OrderStatus,
    Product,
    ProductSort,
    Review,
    StockMovement,
    StockMovementMade,
)
from headrace.options import listed
from headrace.requests import ask, create, given, segment


class AsyncOrders(AsyncOrdersKinds):
    """Places, cancels and ships orders, each by a job, and finds those there are."""

    def __init__(self, connection: AsyncConnection, jobs: AsyncJobs) -> None:
        super().__init__(jobs)
        self._connection = connection

    async def get(self, order_id: str) -> Order:
        """An order by its id.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return (await self._connection.send(ask("GET", f"/v1/orders/{segment(order_id)}"))).into(Order)

    def list(
        self, *, status: OrderStatus | None = None, customer_id: str | None = None, limit: int | None = None
    ) -> AsyncListing[Order]:
        """The caller's orders, or with the permission anybody's, newest first."""
        request = ask("GET", "/v1/orders", query={"status": status, "customer_id": customer_id})
        return AsyncListing(self._connection, request, reads(Order), limit=limit)


class AsyncProducts:
    """Finds products, what customers say of them, and changes the catalogue."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, product_id: str) -> Product:
        """A product by its id.

        Raises:
            NotFound: there is none.
        """
        return (await self._connection.send(ask("GET", f"/v1/products/{segment(product_id)}"))).into(Product)

    def list(
        self,
        q: str | None = None,
        *,
        category: str | None = None,
        in_stock: bool | None = None,
        sort: ProductSort | None = None,
        limit: int | None = None,
    ) -> AsyncListing[Product]:
        """The products that meet all conditions."""
        query = {"q": q, "category": category, "in_stock": in_stock, "sort": sort}
        return AsyncListing(self._connection, ask("GET", "/v1/products", query=query), reads(Product), limit=limit)

    async def create(
        self,
        sku: str,
        name: str,
        price: Money,
        *,
        description: str = "",
        stock: int = 0,
        categories: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Product:
        """Put a product into the catalogue, with so many pieces, into categories named by their slugs.

        Raises:
            Conflict: there is one of this SKU.
        """
        body = {
            "sku": sku,
            "name": name,
            "price": price,
            "description": description,
            "stock": stock,
            "categories": listed(categories),
        }
        return (await self._connection.send(create("/v1/products", body, key=idempotency_key))).into(Product)

    async def update(
        self,
        product_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        price: Money | None = None,
        categories: Sequence[str] | None = None,
    ) -> Product:
        """Change what is given of a product and nothing else; its stock is changed by `move_stock`."""
        slugs = None if categories is None else listed(categories)
        body = given(name=name, description=description, price=price, categories=slugs)
        request = ask("PATCH", f"/v1/products/{segment(product_id)}", body=body)
        return (await self._connection.send(request)).into(Product)

    async def move_stock(
        self,
        product_id: str,
        change: int,
        *,
        reason: Adjustment = "adjusted",
        idempotency_key: str | None = None,
    ) -> StockMovementMade:
        """Let there be `change` pieces more of a product, or fewer where it is negative.

        Raises:
            Conflict: there are fewer than are to go.
        """
        body = {"change": change, "reason": reason}
        path = f"/v1/products/{segment(product_id)}/movements"
        return (await self._connection.send(create(path, body, key=idempotency_key))).into(StockMovementMade)

    def movements(self, product_id: str, *, limit: int | None = None) -> AsyncListing[StockMovement]:
        """What changed a product's stock, newest first; `limit` of them, or all."""
        request = ask("GET", f"/v1/products/{segment(product_id)}/movements")
        return AsyncListing(self._connection, request, reads(StockMovement), limit=limit)

    async def categories(self) -> tuple[Category, ...]:
        """What products are sorted into."""
        return await everything(self._connection, "/v1/categories", Category)

    async def create_category(self, slug: str, name: str, *, idempotency_key: str | None = None) -> Category:
        """Make a category.

        Raises:
            Conflict: there is one of this slug.
        """
        request = create("/v1/categories", {"slug": slug, "name": name}, key=idempotency_key)
        return (await self._connection.send(request)).into(Category)

    async def rename_category(self, slug: str, name: str) -> Category:
        """Give a category another name."""
        request = ask("PATCH", f"/v1/categories/{segment(slug)}", body={"name": name})
        return (await self._connection.send(request)).into(Category)

    async def delete_category(self, slug: str) -> None:
        """Remove a category; its products stay."""
        await self._connection.send(ask("DELETE", f"/v1/categories/{segment(slug)}", is_repeatable=False))

    def reviews(self, product_id: str, *, rating: int | None = None, limit: int | None = None) -> AsyncListing[Review]:
        """The reviews of a product, or those of so many stars, newest first; `limit` of them, or all."""
        request = ask("GET", _reviews(product_id), query={"rating": rating})
        return AsyncListing(self._connection, request, reads(Review), limit=limit)

    async def review(
        self, product_id: str, rating: int, *, title: str = "", text: str = "", idempotency_key: str | None = None
    ) -> Review:
        """Review a product as the caller, 1 to 5 stars; each customer has one review of it.

        Raises:
            Conflict: you have reviewed it.
            NotFound: there is no such product.
        """
        body = {"rating": rating, "title": title, "text": text}
        request = create(_reviews(product_id), body, key=idempotency_key)
        return (await self._connection.send(request)).into(Review)

    async def get_review(self, product_id: str, review_id: str) -> Review:
        """A review of a product."""
        return (await self._connection.send(ask("GET", _reviews(product_id, review_id)))).into(Review)

    async def update_review(
        self,
        product_id: str,
        review_id: str,
        *,
        rating: int | None = None,
        title: str | None = None,
        text: str | None = None,
    ) -> Review:
        """Change what is given of one's own review.

        Raises:
            Forbidden: it is somebody else's.
        """
        body = given(rating=rating, title=title, text=text)
        return (await self._connection.send(ask("PATCH", _reviews(product_id, review_id), body=body))).into(Review)

    async def delete_review(self, product_id: str, review_id: str) -> None:
        """Remove one's own review, or with the permission anybody's."""
        await self._connection.send(ask("DELETE", _reviews(product_id, review_id), is_repeatable=False))


class AsyncCustomers:
    """Reads and fills customers' store credit; `me` stands for the caller."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def balance(self, customer_id: str = "me", *, currency: str | None = None) -> Balance:
        """What a customer may spend."""
        path = f"/v1/customers/{segment(customer_id)}/balance"
        return (await self._connection.send(ask("GET", path, query={"currency": currency}))).into(Balance)

    async def deposit(
        self, amount: Money, customer_id: str = "me", *, idempotency_key: str | None = None
    ) -> DepositMade:
        """Give a customer store credit, once however often the request must be sent."""
        path = f"/v1/customers/{segment(customer_id)}/deposits"
        request = create(path, {"amount": amount}, key=idempotency_key)
        return (await self._connection.send(request)).into(DepositMade)


def _reviews(product_id: str, review_id: str | None = None) -> str:
    path = f"/v1/products/{segment(product_id)}/reviews"
    return path if review_id is None else f"{path}/{segment(review_id)}"

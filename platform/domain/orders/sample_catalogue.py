"""What the shop of a development installation sells."""

from typing import Final

from msgspec import Struct

CURRENCY: Final = "USD"


class SampleProduct(Struct, frozen=True):
    """A product to be put on a shelf, with so many pieces. The price is in minor units of `CURRENCY`."""

    sku: str
    name: str
    description: str
    price: int
    stock: int
    categories: tuple[str, ...]


CATEGORIES: Final[dict[str, str]] = {
    "coffee": "Coffee and tea",
    "kitchen": "Kitchen",
    "desk": "Desk and paper",
    "outdoors": "Outdoors",
}

PRODUCTS: Final = (
    SampleProduct("COF-ESP-1KG", "Espresso beans, 1 kg", "Dark roast, chocolate and hazelnut.", 2490, 800, ("coffee",)),
    SampleProduct("COF-FIL-500", "Filter beans, 500 g", "Light roast from one farm; citrus.", 1650, 600, ("coffee",)),
    SampleProduct("TEA-ASM-250", "Assam tea, 250 g", "Strong and malty; takes milk.", 1290, 500, ("coffee",)),
    SampleProduct("COF-POT-3", "Moka pot, three cups", "Aluminium, for any stove.", 3400, 150, ("coffee", "kitchen")),
    SampleProduct("KIT-KNF-20", "Chef's knife, 20 cm", "Forged steel with an ash handle.", 8900, 120, ("kitchen",)),
    SampleProduct("KIT-PAN-28", "Iron pan, 28 cm", "Cast iron, seasoned; lasts for ever.", 6200, 90, ("kitchen",)),
    SampleProduct("KIT-CUP-04", "Four enamel cups", "Blue rim; indoors and out.", 2200, 300, ("kitchen", "outdoors")),
    SampleProduct("DSK-PEN-01", "Fountain pen", "Steel nib, medium; takes bottled ink.", 4500, 200, ("desk",)),
    SampleProduct("DSK-NTB-A5", "Notebook, A5", "192 dotted pages that lie flat.", 1299, 1000, ("desk",)),
    SampleProduct("DSK-LMP-02", "Reading lamp", "Warm light, dimmable, brass.", 11900, 60, ("desk",)),
    SampleProduct("OUT-BTL-075", "Steel bottle, 0.75 l", "Keeps tea hot for twelve hours.", 2900, 400, ("outdoors",)),
    SampleProduct("OUT-LMP-01", "Head lamp", "400 lumens; charges by USB-C.", 3900, 250, ("outdoors",)),
    SampleProduct("OUT-TNT-02", "Tent for two", "Stands by itself; 2.1 kg.", 24900, 25, ("outdoors",)),
    SampleProduct("OUT-MAP-01", "Map of the valley", "1:25,000, on paper that bears rain.", 1450, 180, ("outdoors",)),
)

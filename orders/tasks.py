"""Jobs of buying, by dotted name. Each takes an id, looks at the row and does nothing twice."""

from orders import purchasing


def run_purchase(purchase_id: int) -> str:
    """Take the next step of one purchase, if one is due."""
    return purchasing.run_purchase(purchase_id=purchase_id)

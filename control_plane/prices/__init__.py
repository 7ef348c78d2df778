"""What a clinic pays a month: a data file read once, and pure arithmetic on it."""

from control_plane.prices.prices import PriceList, load_prices

__all__ = ["PriceList", "load_prices"]

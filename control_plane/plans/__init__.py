"""What is sold: plans with limits, modules with prices, in several currencies. A tariff is a dated, immutable document."""

from control_plane.plans.tariff import Limits, Line, Plan, Quote, Tariff, official_tariff

__all__ = ["Limits", "Line", "Plan", "Quote", "Tariff", "official_tariff"]

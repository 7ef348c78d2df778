"""The roles of a clinic: five standard ones, and its own."""

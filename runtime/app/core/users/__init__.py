"""The people of a clinic, as its administrators manage them."""

"""Moving one tenant to another release: whether it may, what would change, and back again when it fails. Campaigns move many with this."""

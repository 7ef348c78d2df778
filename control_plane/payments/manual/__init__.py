"""Payment by bank transfer: a provider whose books are kept here. Invoices are made and numbered, and an operator records what arrives."""

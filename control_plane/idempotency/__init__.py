"""A POST that writes may be sent again with its Idempotency-Key: the answer is stored in the same transaction as the effect."""

"""Customer accounts: facts, slug, state and what was chosen. Where every other folder of the control plane starts from."""

"""Commands of the runtime (`dentalpin`)."""

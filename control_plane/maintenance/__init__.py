"""When a clinic may be disturbed: its maintenance window, and what its runtime knows of patients who are there or due."""

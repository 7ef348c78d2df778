"""The core of the runtime. It knows no module."""

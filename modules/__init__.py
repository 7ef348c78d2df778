"""Official modules: each folder is one module, imported as `app.modules.<name>`."""

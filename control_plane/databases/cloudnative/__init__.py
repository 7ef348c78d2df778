"""Database servers that CloudNativePG runs on Kubernetes: declared as custom resources, and administered inside like any other."""

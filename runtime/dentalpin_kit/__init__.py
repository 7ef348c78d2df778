"""What runtime and control plane share: a leaf that imports neither."""

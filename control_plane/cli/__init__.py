"""`dentalpin-cloud`: the operators' API on a command line. It holds no logic of its own, so it can do nothing the API cannot."""

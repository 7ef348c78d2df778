"""A Kubernetes API server with the controllers a deployer relies on, in one process: for tests and demonstrations without a cluster.

Server-side apply with field managers, watches that can be cut and compacted, namespaces that take their contents with them, roll-outs,
jobs, quotas and pod security as far as a deployer meets them. What a pod does is said by rules (`Behaviour`), and verbs are counted.

    kinds        the resources it knows, and how lists are merged
    managed      ownership of fields, and server-side apply (pure)
    cluster      what exists: objects, versions, the log that watches read
    controllers  deployments, jobs, garbage and namespaces, one step at a time
    runtimes     what answers in a pod
    api          the HTTP interface
"""

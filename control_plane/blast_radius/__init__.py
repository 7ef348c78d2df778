"""Which clinics a release, or this very version of the control plane, would touch: asked before it is deployed. Writes nothing."""

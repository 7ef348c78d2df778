"""Pages the runtime renders itself: the owner's welcome, signing in, and a first look at the clinic. No script, no build."""

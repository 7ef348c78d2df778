"""Leaving with everything: one archive of a clinic's database, files and data in open formats, and the way to start from it.

`exporting` is what `dentalpin export` runs, also when the platform asks for it; `importing` is `dentalpin import`, which makes a
stand-alone runtime. What an archive is, how it is verified and signed is in `dentalpin_kit.archives`.
"""

"""What a module may be, checked: manifest, package, branch, imports, foreign keys, conventions, versions (seeds, guide §3, §7, §8, §12).

Everything here is for authors, CI and doctor: a serving process imports none of it. `issues` holds the table of codes.
"""

"""Support access: somebody of the platform looks into this clinic's runtime for at most an hour, if the clinic agrees.

Every answer they get is masked, and no transaction of theirs can write. A module says which members of its answers hold nothing of a
patient by marking them: `status: Annotated[OrderStatus, SHOWN]`. What is not marked is hidden.
"""

from .marking import SHOWN, Shown

__all__ = ["SHOWN", "Shown"]

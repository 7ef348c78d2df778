from tests.app.support.conftest import owner, patient, runtime

__all__ = ["owner", "patient", "runtime"]

from dentalpin_kit import locks


def test_keys_fit_int4_and_do_not_meet():
    keys = [locks.PROCESSOR, *(locks.serving(f"module_{n}") for n in range(500))]

    assert len(set(keys)) == len(keys)
    assert all(-(2**31) <= part < 2**31 for key in keys for part in key)


def test_a_modules_key_is_the_same_in_every_process_and_release():
    assert locks.serving("patients") == (0x44500002, 751578668)
    assert locks.serving("agenda") == locks.serving("agenda")

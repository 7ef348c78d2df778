import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families

from dentalpin_kit.metrics import Counter, Durations, Instruments, Reading


def scraped(instruments, readings=()):
    """{(sample, labels): value} of one scrape, as Prometheus' own parser reads it."""
    text = instruments.render(readings).decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


def test_a_counter_counts_by_its_labels():
    counter = Counter("clinic_visits", "Visits.", ("kind",))
    counter.add("check")
    counter.add("check", by=2)
    counter.add("cleaning")

    found = scraped(Instruments((counter,)))

    assert found["clinic_visits_total", (("kind", "check"),)] == 3
    assert found["clinic_visits_total", (("kind", "cleaning"),)] == 1


def test_durations_fall_into_buckets_whose_counts_add_up():
    durations = Durations("wait_seconds", "Waiting.", ("room",))
    for seconds in (0.004, 0.005, 0.3, 100.0):
        durations.observe(seconds, "a")

    found = scraped(Instruments((durations,)))

    # A duration equal to a bound belongs below it (Prometheus: "le").
    assert found["wait_seconds_bucket", (("le", "0.005"), ("room", "a"))] == 2
    assert found["wait_seconds_bucket", (("le", "0.5"), ("room", "a"))] == 3
    assert found["wait_seconds_bucket", (("le", "+Inf"), ("room", "a"))] == 4
    assert found["wait_seconds_count", (("room", "a"),)] == 4
    assert found["wait_seconds_sum", (("room", "a"),)] == 100.309


def test_readings_and_the_process_stand_beside_what_was_counted():
    waiting = Reading("waiting", "Due.", ("module",), ((("agenda",), 2),))

    found = scraped(Instruments(()), [waiting])

    assert found["waiting", (("module", "agenda"),)] == 2
    assert found["process_resident_memory_bytes", ()] > 0


def test_a_label_may_hold_any_text():
    counter = Counter("odd", "Odd.", ("route",))
    counter.add('a"b\\c\nd')

    assert scraped(Instruments((counter,)))["odd_total", (("route", 'a"b\\c\nd'),)] == 1


def test_counting_imports_no_client():
    program = "import sys; from app.core.observability import metrics; metrics.count_job('a', 'b', 'done'); "
    check = "sys.exit(any(name.split('.')[0] == 'prometheus_client' for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", program + check], check=False).returncode == 0

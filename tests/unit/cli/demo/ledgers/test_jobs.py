import json

from pipeline.cli.demo.ledgers.jobs import (
    ONBOARDING,
    POISON,
    THUMBNAILS,
    JobsLine,
    draw_up_jobs,
    job_images,
    job_users,
)

WELCOME = json.dumps({"job_type": "send_welcome", "user_id": "ada"})
PICTURE = json.dumps({"job": "thumbnails", "image": {"key": "uploads/ada/x.jpg"}})
DEAD = {queue: list(bodies) for queue, bodies in POISON.items()}


def _done(done: int) -> JobsLine:
    return JobsLine(ONBOARDING, "send_welcome", sent=3, done=done)


def test_jobs_are_done_and_poison_is_dead() -> None:
    lines = draw_up_jobs([_done(3)], DEAD, excused=False)

    assert lines == [
        JobsLine(ONBOARDING, "send_welcome", sent=3, done=3),
        JobsLine(ONBOARDING, "poison", sent=5, dead=5),
        JobsLine(THUMBNAILS, "poison", sent=3, dead=3),
    ]
    assert all(line.balances for line in lines)


def test_a_good_job_among_the_dead_letters_is_wrong_unless_faults_excuse_it() -> None:
    dead = {**DEAD, ONBOARDING: [*DEAD[ONBOARDING], WELCOME]}

    (strict, *_) = draw_up_jobs([_done(2)], dead, excused=False)
    (excused, *_) = draw_up_jobs([_done(2)], dead, excused=True)

    assert strict.wrong == ["1 of send_welcome are among the dead letters"]
    assert (excused.dead, excused.wrong) == (1, [])


def test_a_job_that_is_nowhere_is_wrong() -> None:
    (line, *_) = draw_up_jobs([_done(2)], DEAD, excused=True)

    assert line.wrong == ["1 of send_welcome are nowhere"]


def test_poison_that_is_not_dead_is_wrong() -> None:
    (_, line) = draw_up_jobs([], {**DEAD, THUMBNAILS: DEAD[THUMBNAILS][1:]}, excused=True)

    assert line.wrong == ["'…' is 0 times among the dead letters"]


def test_dead_letters_tell_whose_they_are() -> None:
    dead = {
        ONBOARDING: [*DEAD[ONBOARDING], WELCOME],
        THUMBNAILS: [*DEAD[THUMBNAILS], PICTURE],
    }

    assert job_users(dead) == {"ada"}
    assert job_images(dead) == {"uploads/ada/x.jpg"}

"""What tests/image/run.py reads of the Dockerfile; the image itself is `make test-image`."""

import pytest

from image.run import DOCKERFILE, Base, Instruction, base_of, instructions


def test_continued_lines_are_one_step_and_comments_are_none():
    text = "# what it is\nFROM a\n\nRUN one \\\n    && two \\\n# why\n    && three\nWORKDIR /b\n"
    assert instructions(text) == [
        Instruction("FROM", "a"),
        Instruction("RUN", "one && two && three"),
        Instruction("WORKDIR", "/b"),
    ]


def test_our_dockerfile_has_only_steps_that_the_root_can_carry_out():
    steps = instructions(DOCKERFILE.read_text())
    assert steps[0].word == "FROM"
    assert {step.word for step in steps[1:]} <= {"RUN", "COPY", "WORKDIR"}
    assert base_of(steps[0].rest) == Base("3.11", "bookworm")


def test_another_base_image_is_refused():
    with pytest.raises(SystemExit, match="FROM debian:12"):
        base_of("debian:12")

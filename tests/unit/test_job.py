import logging

import pytest

from dokunuki.errors import CorpusError
from dokunuki.job import logged
from dokunuki.progress import Progress, logger


def test_progress_goes_to_the_log_in_whole_lines(tmp_path):
    log = tmp_path / "job.log"
    with logged(str(log)):
        progress = Progress("EmberNN", 2, interval=0)
        progress.update(1, loss=0.5)
        progress.update(2, loss=0.25, note="done")
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert "EmberNN [##########----------] 1/2  loss 0.5" in lines[0]
    assert "[####################] 2/2  loss 0.25  note done" in lines[1]
    assert "\r" not in log.read_text()
    assert not [h for h in logger.handlers if isinstance(h, logging.FileHandler)]


def test_steps_in_quick_succession_are_left_out_but_for_the_last(tmp_path):
    log = tmp_path / "job.log"
    with logged(str(log)):
        progress = Progress("scan", 1000, interval=3600)
        for step in range(1, 1001):
            progress.update(step)
    assert [line.split()[-3] for line in log.read_text().splitlines()] == ["1/1000", "1000/1000"]


@pytest.mark.promise(6)
def test_an_error_of_the_users_ends_the_job_with_its_message_alone(tmp_path):
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit, match=r"error: a\.jsonl:3: no label"), logged(str(log)):
        raise CorpusError("a.jsonl:3: no label")
    assert "a.jsonl:3: no label" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.promise(6)
def test_any_other_error_leaves_its_traceback_in_the_log(tmp_path):
    log = tmp_path / "job.log"
    with pytest.raises(ZeroDivisionError), logged(str(log)):
        1 / 0  # noqa: B018
    assert "Traceback" in log.read_text()


def test_a_file_that_cannot_be_read_ends_the_job_with_its_name(tmp_path):
    log = tmp_path / "job.log"
    with (
        pytest.raises(SystemExit, match=rf"error: {tmp_path}: Is a directory; check this path"),
        logged(log),
    ):
        tmp_path.read_bytes()
    assert "Traceback" in log.read_text()


def test_an_error_of_the_system_without_a_file_is_any_other_error(tmp_path):
    with pytest.raises(OSError, match="no file is named"), logged(tmp_path / "job.log"):
        raise OSError(5, "no file is named")


def test_the_name_of_a_file_that_is_no_text_is_told_as_text(tmp_path):
    log = tmp_path / "job.log"
    with logged(str(log)):
        Progress("index caf\udce9.tar.bz2", 1).update(1)
    assert "index caf\\udce9.tar.bz2" in log.read_text(encoding="utf-8")

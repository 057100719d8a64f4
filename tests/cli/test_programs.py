"""Compiled programs are kept for the next start, where nobody says otherwise."""

import jax
import pytest

from jnn.cli import programs

FOLDER = "jax_compilation_cache_dir"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The platform's cache folder; JAX keeps nothing, and has its settings back at the end."""
    names = (FOLDER, "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    jax.config.update(FOLDER, None)
    yield tmp_path
    for name, value in before.items():
        jax.config.update(name, value)


def test_programs_are_kept_in_a_folder_for_this_processor_and_these_versions(cache, monkeypatch):
    programs.keep_programs()
    folder = programs.programs_folder()
    assert getattr(jax.config, FOLDER) == str(folder)
    assert folder.is_dir()
    assert folder.parent == cache / "jnn/programs"
    monkeypatch.setattr("jnn.processor.description", lambda: "another")
    assert programs.programs_folder() != folder


def test_a_folder_that_the_user_chose_stays(cache):
    jax.config.update(FOLDER, str(cache / "own"))
    programs.keep_programs()
    assert getattr(jax.config, FOLDER) == str(cache / "own")
    assert not (cache / "jnn").exists()


def test_where_nothing_can_be_written_nothing_is_kept(cache):
    (cache / "jnn").write_text("a file")
    programs.keep_programs()
    assert getattr(jax.config, FOLDER) is None


def test_a_program_is_read_again_and_settings_stay(tmp_path):
    before = getattr(jax.config, FOLDER)
    assert programs.reads_its_own(tmp_path)
    assert getattr(jax.config, FOLDER) == before

"""Where the archive of a Java and its jars is, and what a JVM is told about it."""

import os
from pathlib import Path

from hooklane.kafka_archive import KEPT_MAX, keep_newest, path_of, use_options


def _java(folder: Path, modules: str = "classes") -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.touch()
    (folder / "lib").mkdir()
    (folder / "lib" / "modules").write_text(modules)
    return program


def test_another_java_or_other_jars_have_another_archive(tmp_path: Path) -> None:
    """An archive that does not fit would be refused at each start."""
    one, two = _java(tmp_path / "one"), _java(tmp_path / "two")

    paths = {path_of(tmp_path, java, jars) for java in (one, two) for jars in ("a/*", "b/*")}

    assert len(paths) == 4
    assert path_of(tmp_path, one, "a/*") in paths
    assert {path.parent for path in paths} == {tmp_path}


def test_a_java_that_was_replaced_in_its_place_has_another_archive(tmp_path: Path) -> None:
    """An upgrade keeps the path, not the classes."""
    java = _java(tmp_path / "java")
    before = path_of(tmp_path, java, "a/*")

    (tmp_path / "java" / "lib" / "modules").write_text("newer classes")

    assert path_of(tmp_path, java, "a/*") != before


def test_jars_that_were_replaced_in_their_place_have_another_archive(tmp_path: Path) -> None:
    """Java would refuse the former one without a word, and nobody would make a new one."""
    java, jar = _java(tmp_path / "java"), tmp_path / "libs" / "kafka_2.13-4.1.2.jar"
    jar.parent.mkdir()
    jar.write_text("classes")
    os.utime(jar, (1, 1))
    jars = f"{jar.parent}/*"
    before = path_of(tmp_path, java, jars)

    assert path_of(tmp_path, java, jars) == before
    os.utime(jar, (2, 2))
    touched = path_of(tmp_path, java, jars)
    jar.rename(jar.with_name("kafka_2.13-4.2.0.jar"))
    renamed = path_of(tmp_path, java, jars)

    assert len({before, touched, renamed}) == 3


def test_a_java_without_modules_has_an_archive_too(tmp_path: Path) -> None:
    """Trimmed runtimes need not look like ours."""
    assert path_of(tmp_path, tmp_path / "bin" / "java", "a/*").suffix == ".aot"


def test_only_an_archive_that_is_there_is_used(tmp_path: Path) -> None:
    """And a Java that knows no such option starts all the same."""
    archive = tmp_path / "kafka-1.aot"

    assert use_options(archive) == ()
    archive.touch()
    assert f"-XX:AOTCache={archive}" in use_options(archive)
    assert use_options(archive)[0] == "-XX:+IgnoreUnrecognizedVMOptions"


def test_the_oldest_archives_go(tmp_path: Path) -> None:
    """Each is as large as all the jars; nothing else in the folder is touched."""
    archives = [tmp_path / f"kafka-{number}.aot" for number in range(KEPT_MAX + 2)]
    for number, archive in enumerate(archives):
        archive.touch()
        os.utime(archive, (number, number))
    (tmp_path / "kafka-4.1.2-0e576ac4").mkdir()

    keep_newest(tmp_path)

    assert sorted(tmp_path.glob("*.aot")) == archives[-KEPT_MAX:]
    assert (tmp_path / "kafka-4.1.2-0e576ac4").is_dir()

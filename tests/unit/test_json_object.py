"""Names that come twice are found in one reading, however many there are."""

from src.json_object import first_repeated


def test_the_first_repeated_name_is_found_without_reading_further():
    read = []

    def names():
        for name in ("a", "b", "a", "c", "c"):
            read.append(name)
            yield name

    assert first_repeated(names()) == "a"
    assert read == ["a", "b", "a"]
    assert first_repeated(map(str, range(100_000))) is None

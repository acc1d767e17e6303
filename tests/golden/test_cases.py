def test_every_folder_is_of_one_known_kind(case_kinds: tuple[str, list[str]]) -> None:
    """Else its numbers would be silently left unchecked."""
    name, kinds = case_kinds
    assert len(kinds) == 1, f"{name} is {kinds or 'no known kind'}"

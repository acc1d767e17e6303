"""Tables of studies as pandas reads them, and as Markdown."""

import pandas

from gradts_engine.studies.writing import write

ROWS = [{"name": 'a "b", c', "rho": 0.25, "note": "x|y"}, {"name": "d", "rho": None, "note": ""}]


def test_both_forms_hold_the_same(tmp_path):
    write(ROWS, tmp_path / "t.csv", tmp_path / "t.md")
    frame = pandas.read_csv(tmp_path / "t.csv", keep_default_na=False, na_values={"rho": [""]})
    assert frame["name"].tolist() == ['a "b", c', "d"]
    assert frame["rho"].isna().tolist() == [False, True]
    assert (tmp_path / "t.md").read_text() == (
        "| name | rho | note |\n| --- | --- | --- |\n" + '| a "b", c | 0.25 | x\\|y |\n' + "| d | - |  |\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"t.csv", "t.md"}

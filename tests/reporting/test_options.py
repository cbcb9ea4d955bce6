"""Words of the command line and table files say the same."""

from pathlib import Path

import pytest

from vqx.config import conf_dir
from vqx.errors import ConfigError
from vqx.reporting.options import Options, parse
from vqx.reporting.pivot import Keys
from vqx.reporting.sweep import SweepWords


def test_words() -> None:
    words = ["columns=[psnr,ssim]", "rows=[b,a]", "formats=all", "where=seed<3", "pivot=a,b"]
    assert parse([*words, "seed=0"]) == Options(
        columns=("psnr", "ssim"),
        rows=("b", "a"),
        formats=("all",),
        where="seed<3",
        pivot=Keys("a", "b"),
        filters={"seed": "0"},
    )
    assert parse(["html=a.html", "pictures=[pareto,usage]", "x=codes"]) == Options(
        html=Path("a.html"), pictures={"pictures": "[pareto,usage]", "x": "codes"}
    )
    assert parse(["where=quantizer.name=='fsq'"]).where == "quantizer.name=='fsq'"


TABLE = """
select: [+sweeps=matched_codebooks, "seed=0,1"]
columns: [psnr, bits]
baseline: VQ
names: {"vq codebook_size=1000": VQ}
rows: [VQ, "fsq levels=8,5,5,5"]
pictures: all
curves: [train/loss, psnr]
"""


def test_a_table_file_says_what_words_say_and_words_win(tmp_path: Path) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(TABLE)
    expected = Options(
        name="paper",
        table=path,
        columns=("psnr", "bits"),
        baseline="VQ",
        names={"vq codebook_size=1000": "VQ"},
        rows=("VQ", "fsq levels=8,5,5,5"),
        pictures={"pictures": "all", "curves": "[train/loss,psnr]"},
        sweep=SweepWords(("+sweeps=matched_codebooks", "seed=0,1")),
    )
    assert parse([f"table={path}"]) == expected
    other = parse(["columns=[usage]", f"table={path}", "name=mine", "seed=0"])
    assert (other.columns, other.name) == (("usage",), "mine")
    assert other.sweep == SweepWords(("+sweeps=matched_codebooks", "seed=0,1", "seed=0"))


def test_a_table_file_is_found_beside_sweeps_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "sweeps/tables").mkdir(parents=True)
    (tmp_path / "sweeps/tables/mine.yaml").write_text("columns: [psnr]\n")
    found = parse(["table=mine", "--config-dir", str(tmp_path)])
    assert found.columns == ("psnr",)
    assert found.name == "mine"
    with pytest.raises(ConfigError, match=r"there is no .*mien.yaml \(did you mean 'mine'"):
        parse(["table=mien", f"--config-dir={tmp_path}"])


@pytest.mark.parametrize("path", sorted((conf_dir() / "sweeps/tables").glob("*.yaml")), ids=str)
def test_every_table_file_that_ships_can_be_read(path: Path) -> None:
    options = parse([f"table={path.stem}"])
    assert options.name == path.stem
    assert options.sweep is not None
    assert options.title


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colums: [psnr]", r"'colums' is no key of a table file \(did you mean 'columns'"),
        ("columns: 3", "columns must be a text or a list, not 3"),
        ("baseline: [a]", r"baseline=\['a'\]: must be one text"),
        ("- a", "has no keys: see the table files in sweeps/tables"),
        ("a: [", "is no YAML: "),
        ("spread: sdt", "spread=sdt: must be std"),
    ],
)
def test_mistakes_in_a_table_file_name_it(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse([f"table={path}"])


def test_a_table_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"table=.*no.yaml: there is no such file"):
        parse([f"table={tmp_path}/no.yaml"])


def test_pictures_of_a_table_file_can_be_switched_off(tmp_path: Path) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text("pictures: all\nx: codes\n")
    assert parse([f"table={path}"]).pictures == {"pictures": "all", "x": "codes"}
    assert parse([f"table={path}", "pictures=none"]).pictures == {}


@pytest.mark.parametrize("word", ["html=", "out=", "name=", "where=", "sort="])
def test_an_empty_value_names_nothing(word: str) -> None:
    with pytest.raises(ConfigError, match=f"{word}: names nothing"):
        parse([word])


def test_layouts_exclude_each_other() -> None:
    for other in ("baseline=a", "published=swasun"):
        with pytest.raises(ConfigError, match="exclude each other"):
            parse(["pivot=a,b", other])

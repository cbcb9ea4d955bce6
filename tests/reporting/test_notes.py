"""What a reader must not miss."""

from pathlib import Path

from tests.reporting.test_main_table import table_of
from tests.runs.synthetic import config_of, environment_of, result_of, write_run
from vqx.runs.status import State


def _confounds(folder: Path) -> list[str]:
    return [note.text for note in table_of(folder).notes if note.about == "confound"]


def test_the_caption_says_what_all_share(tmp_path: Path) -> None:
    write_run(tmp_path, config_of("ema"))
    write_run(tmp_path, config_of("fsq"))
    assert table_of(tmp_path).caption == (
        "photos (validation, 900 images) · conv model · 800 steps of batch 32 · "
        "codebook_size=1024 (ema), init=kmeans (ema), restart.threshold=1.0 (ema) · "
        "vqx 0.1.0 · code f8add72 · torch 2.14.1 · AMD EPYC 7B13"
    )
    assert _confounds(tmp_path) == []


def test_the_caption_does_not_say_what_differs(tmp_path: Path) -> None:
    write_run(tmp_path, config_of(trainer__steps=800))
    write_run(tmp_path, config_of(trainer__steps=400))
    caption = table_of(tmp_path).caption
    assert "steps" not in caption
    assert "conv model" in caption


def test_values_left_unsaid_are_in_the_caption(tmp_path: Path) -> None:
    for change in ({}, {"trainer__learning_rate": 3e-4}, {"model__width": 64}):
        write_run(tmp_path, config_of(**change))
    assert "unless named width=128, learning_rate=0.001" in table_of(tmp_path).caption


def test_code_and_machine_that_differ_are_confounds(tmp_path: Path) -> None:
    git = {"commit": "0ddba11facade", "dirty": True, "diff_sha256": "abcdef0123"}
    other = environment_of(git=git, device="H200", devices=2, packages={"torch": "2.13.0"})
    write_run(tmp_path, config_of("ema"), environment=other)
    for seed in range(2):
        write_run(tmp_path, config_of("fsq", seed=seed))
    write_run(tmp_path, config_of("vq"), state=State.QUEUED)
    assert _confounds(tmp_path) == [
        "code 0ddba11 with changes abcdef in ema; code f8add72 in all other runs",
        "torch 2.13.0 in ema; torch 2.14.1 in all other runs",
        "2 x H200 in ema; AMD EPYC 7B13 in all other runs",
    ]


def test_two_dirty_trees_of_one_commit_differ(tmp_path: Path) -> None:
    for name, digest in (("ema", "aaaaaa"), ("fsq", "bbbbbb")):
        git = {"commit": "f8add72c0ffee", "dirty": True, "diff_sha256": digest}
        write_run(tmp_path, config_of(name), environment=environment_of(git=git))
    assert len(_confounds(tmp_path)) == 1


def test_a_run_resumed_with_other_code_is_a_confound(tmp_path: Path) -> None:
    sessions = [{}, {"git": {"commit": "0ddba11facade", "dirty": False}, "device": "H200"}]
    write_run(tmp_path, config_of("ema"), environment=environment_of(sessions=sessions))
    write_run(tmp_path, config_of("fsq"))
    assert _confounds(tmp_path) == [
        "code f8add72 then code 0ddba11 in ema; code f8add72 in all other runs",
        "AMD EPYC 7B13 then H200 in ema; AMD EPYC 7B13 in all other runs",
    ]


def test_own_code_that_differs_is_a_confound(tmp_path: Path) -> None:
    """Of the runs that use it: who does not is not compared."""
    versions = {"ema": "aaaaaaaaaaaa", "fsq": "bbbbbbbbbbbb"}
    for name, digest in versions.items():
        own = {"mine/layers.py": digest, "same.py": "cccccccccccc"}
        write_run(tmp_path, config_of(name), environment=environment_of(own_code=own))
    write_run(tmp_path, config_of("vq"), environment=environment_of(own_code={}))
    assert _confounds(tmp_path) == ["mine/layers.py is aaaaaa in ema; bbbbbb in fsq"]


def test_own_code_that_differs_within_a_row_names_the_seeds(tmp_path: Path) -> None:
    for seed, digest in enumerate(("aaaaaaaaaaaa", "bbbbbbbbbbbb", "aaaaaaaaaaaa")):
        environment = environment_of(own_code={"mine.py": digest})
        write_run(tmp_path, config_of("ema", seed=seed), environment=environment)
    (said,) = _confounds(tmp_path)
    assert said == "mine.py is aaaaaa in ema seed 0, ema seed 2; bbbbbb in ema seed 1"


def test_own_code_of_a_seed_that_never_ran_is_no_difference(tmp_path: Path) -> None:
    own = {"mine.py": "aaaaaaaaaaaa"}
    write_run(tmp_path, config_of("ema", seed=0), environment=environment_of(own_code=own))
    write_run(tmp_path, config_of("ema", seed=1), state=State.QUEUED)
    other = environment_of(own_code={}, sessions=[{}, {"own_code": {"mine.py": "bbbbbbbbbbbb"}}])
    write_run(tmp_path, config_of("fsq"), environment=other)
    assert _confounds(tmp_path) == ["mine.py is aaaaaa in ema; bbbbbb in fsq"]


def test_a_whole_own_package_that_differs_is_a_few_lines(tmp_path: Path) -> None:
    for name, digest in (("ema", "aaaaaaaaaaaa"), ("fsq", "bbbbbbbbbbbb")):
        own = {f"mine/{index}.py": digest for index in range(8)}
        write_run(tmp_path, config_of(name), environment=environment_of(own_code=own))
    *files, more = _confounds(tmp_path)
    assert len(files) == 5
    assert more == "3 more own files are not the same either"


def test_own_code_edited_before_a_resume_is_a_confound(tmp_path: Path) -> None:
    sessions = [{}, {"own_code": {"mine.py": "bbbbbbbbbbbb", "old.py": None}}]
    own = {"mine.py": "aaaaaaaaaaaa", "old.py": "cccccccccccc", "same.py": "dddddddddddd"}
    environment = environment_of(own_code=own, sessions=sessions)
    write_run(tmp_path, config_of("ema"), environment=environment)
    assert _confounds(tmp_path) == [
        "mine.py is aaaaaa then bbbbbb in ema",
        "old.py is cccccc then unused in ema",
    ]


def test_soft_codes_and_left_out_images_are_said(tmp_path: Path) -> None:
    config = config_of("vq")
    result = result_of(config)
    result["model"]["discrete"] = False
    result["data"]["left_out"] = ["a.png", "b.png"]
    write_run(tmp_path, config, result=result)
    texts = [note.text for note in table_of(tmp_path).notes if note.about == "vq"]
    assert any(text.startswith("not discrete") for text in texts)
    assert "2 unreadable images left out of the evaluation" in texts


def test_a_run_whose_job_met_changes_says_which(tmp_path: Path) -> None:
    met = "changed_since_submission"
    sessions = [{met: ["trainer.steps (5 -> 6)", "a.py"]}, {met: ["a.py", "b.py"]}, {}]
    write_run(tmp_path, config_of("ema"), environment=environment_of(sessions=sessions))
    write_run(tmp_path, config_of("fsq"), environment=environment_of(sessions=[{}]))
    said = [(n.about, n.text) for n in table_of(tmp_path).notes if "submission" in n.text]
    (note,) = said
    changed = "ran although changed since its submission: trainer.steps (5 -> 6), a.py, b.py"
    assert note == ("ema", f"seed 0 {changed}")


def test_soft_numbers_are_a_note_with_both_and_never_in_the_table(tmp_path: Path) -> None:
    for seed, psnr in enumerate((30.0, 32.0)):
        config = config_of("vq", seed=seed)
        result = result_of(config, psnr=12.5)
        result["model"]["discrete"] = False
        result["metrics"]["soft_psnr"] = {"value": psnr, "stamp": "mixture", "better": "higher"}
        write_run(tmp_path, config, result=result)
    write_run(tmp_path, config_of("ema"))
    table = table_of(tmp_path)
    assert not any("soft" in title for title in table.header)
    texts = [note.text for note in table.notes if note.about == "vq"]
    assert any(text.endswith("mixture: PSNR 31.00 dB (12.50 from codes)") for text in texts)
    assert not any("soft" in note.about for note in table.notes)
    asked = table_of(tmp_path, columns=["psnr", "soft_psnr"])
    assert asked.header[1:3] == ("PSNR ↑ dB", "soft PSNR ↑ dB")
    assert [row[2].text for row in asked.rows] == ["-", "31.00"]
    assert [n.text for n in asked.notes if n.about == "soft PSNR"] == ["mixture"]


def test_masked_numbers_are_a_note_beside_the_unmasked_ones(tmp_path: Path) -> None:
    config = config_of("vq", trainer__mask_share=0.5, trainer__mask_patch=32)
    result = result_of(config, psnr=25.0)
    for key, psnr in (("masked_psnr", 20.0), ("masked_soft_psnr", 21.0)):
        result["metrics"][key] = {"value": psnr, "stamp": "dropped", "better": "higher"}
    write_run(tmp_path, config, result=result)
    write_run(tmp_path, config_of("ema"))
    table = table_of(tmp_path)
    assert not any("masked" in title for title in table.header)
    (note,) = [note for note in table.notes if "PSNR 20" in note.text]
    assert note.about.startswith("vq")
    assert note.text == (
        "masked 50 % in patches of 32 px: PSNR 20.00 dB (25.00 unmasked); "
        "from the continuous mixture: PSNR 21.00 dB (25.00 unmasked, from codes)"
    )
    asked = table_of(tmp_path, columns=["psnr", "masked_psnr"], sort="masked_psnr")
    assert [row[2].text for row in asked.rows] == ["20.00", "-"]
    assert [n.text for n in asked.notes if n.about == "masked PSNR"] == ["dropped"]


def test_usage_of_a_huge_codebook_is_missing_for_a_reason(tmp_path: Path) -> None:
    config = config_of("vq")
    result = result_of(config)
    result["metrics"]["bit_entropy"] = {"value": 0.9, "stamp": "digits", "better": "higher"}
    del result["metrics"]["usage"]
    result["missing"]["usage"] = "undefined for 68,719,476,736 codes: see bit_entropy"
    write_run(tmp_path, config, result=result)
    write_run(tmp_path, config_of("ema"))
    notes = [note for note in table_of(tmp_path).notes if "missing" in note.text]
    assert any(note.text.startswith("missing in vq: undefined for 68,719") for note in notes)
    assert not any(note.about == "bit entropy" for note in notes)


def test_equal_protocols_are_said_once(tmp_path: Path) -> None:
    write_run(tmp_path, config_of())
    assert [n.about for n in table_of(tmp_path).notes if "mean on [0, 1]" in n.text] == ["L1, L2"]


def test_long_errors_are_one_line(tmp_path: Path) -> None:
    write_run(
        tmp_path, config_of(), state=State.FAILED, message="ValueError: x\n" + "  in detail\n" * 50
    )
    (note,) = [note for note in table_of(tmp_path).notes if "failed" in note.text]
    assert "ValueError: x (" in note.text
    assert "detail" not in note.text


def _absent_seeds(folder: Path) -> dict[str, str]:
    return {n.about: n.text for n in table_of(folder).notes if n.text.endswith("not started")}


def test_a_seed_that_half_of_the_rows_have_is_missed_in_the_others(tmp_path: Path) -> None:
    for name, seeds in (("ema", (0, 1, 2)), ("fsq", (0, 1)), ("vq", (0,))):
        for seed in seeds:
            write_run(tmp_path, config_of(name, seed=seed))
    assert _absent_seeds(tmp_path) == {"vq": "seed 1 missing: not started"}
    write_run(tmp_path, config_of("fsq", seed=2))
    assert _absent_seeds(tmp_path) == {"vq": "seeds 1, 2 missing: not started"}


def test_one_more_seed_of_one_row_is_missed_nowhere(tmp_path: Path) -> None:
    for name in ("ema", "fsq", "vq"):
        write_run(tmp_path, config_of(name))
    write_run(tmp_path, config_of("ema", seed=1))
    assert _absent_seeds(tmp_path) == {}


def test_rows_of_one_run_each_miss_no_seed(tmp_path: Path) -> None:
    write_run(tmp_path, config_of("ema", seed=0))
    write_run(tmp_path, config_of("vq", seed=1))
    assert _absent_seeds(tmp_path) == {}


def test_a_seed_of_exactly_half_of_the_rows_is_missed(tmp_path: Path) -> None:
    for name, seed in (("ema", 0), ("ema", 1), ("vq", 0)):
        write_run(tmp_path, config_of(name, seed=seed))
    assert _absent_seeds(tmp_path) == {"vq": "seed 1 missing: not started"}


def test_code_that_became_dirty_on_a_resume_is_said(tmp_path: Path) -> None:
    """A session's entry has only what changed: the commit stands at the first start."""
    sessions = [{}, {"git": {"dirty": True, "diff_sha256": "abcdef123456"}}]
    write_run(tmp_path, config_of("ema"), environment=environment_of(sessions=sessions))
    write_run(tmp_path, config_of("fsq"))
    texts = [note.text for note in table_of(tmp_path).notes if note.about == "confound"]
    assert any(
        text.startswith("code f8add72 then code f8add72 with changes abcdef in ema")
        for text in texts
    )

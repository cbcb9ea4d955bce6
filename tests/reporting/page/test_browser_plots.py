"""The page's trade-off, curves and images in a real browser."""

from dataclasses import replace
from io import BytesIO
from statistics import mean, stdev

import numpy as np
import pytest
from PIL import Image

from tests.reporting.page.browser import opened
from tests.reporting.page.made_up import page_of, write_many
from vqx.reporting.cells import Cell, Table
from vqx.reporting.page import render_page

pytestmark = [pytest.mark.browser, pytest.mark.long]


def chosen(here):
    boxes = here.page.locator("#main-table tbody .pick input")
    return [box.is_checked() for box in boxes.all()].count(True)


def test_a_click_on_a_point_selects_its_row_and_shows_its_configuration(here):
    here.page.fill("#filter", "vq done")
    here.click_point("vq codebook_size=256")
    selected = here.page.locator("#main-table tr.selected")
    assert "vq codebook_size=256" in selected.inner_text()
    assert selected.get_attribute("aria-selected") == "true"
    top = selected.bounding_box()["y"]
    assert 0 <= top <= 900
    details = here.page.inner_text("#details")
    assert "vq codebook_size=256" in details
    assert "3 runs" in details
    differing = here.page.locator("#details .differs").all_inner_texts()
    assert any("256" in text and text.startswith("≠") for text in differing)
    here.page.click("[aria-label='Close the details']")
    assert here.page.locator("#main-table tr.selected").count() == 0


def test_points_are_reached_and_opened_by_keyboard(here):
    first = here.page.locator(".point[tabindex='0']")
    first.focus()
    here.page.keyboard.press("ArrowRight")
    name = here.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert here.page.locator("#tip").inner_text().startswith(name.split(",")[0])
    here.page.keyboard.press("Enter")
    assert name.startswith(here.page.inner_text("#details-heading"))


def test_the_front_is_what_no_row_beats(here):
    here.page.fill("#filter", "done psnr>0")
    here.page.select_option("#tradeoff-tools select >> nth=0", "lpips")
    # LPIPS falls as PSNR rises in these runs: one row beats all others.
    labels = here.page.locator(".point.on-front").evaluate_all(
        "nodes => nodes.map(node => node.getAttribute('aria-label'))"
    )
    best = max(here.column("psnr"))
    assert len(labels) == 1
    assert f"PSNR ↑ dB: {best.splitlines()[0].split(' (')[0]}" in labels[0]


def test_axes_change_and_the_filter_leaves_points_out(here):
    assert here.page.locator(".point").count() == 8
    here.page.fill("#filter", "ema psnr>0")
    assert here.page.locator(".point").count() == 3
    here.page.select_option("#tradeoff-tools select >> nth=1", "usage")
    assert "usage" in here.page.text_content("#tradeoff-plot .axis-name >> nth=1")
    here.page.check("#tradeoff-tools label:text-is('log x')")
    assert here.page.locator(".point").count() == 3
    here.page.fill("#filter", "zz")
    assert "No row" in here.page.inner_text("#tradeoff-plot")


def test_published_rows_are_points_that_open_nothing(here):
    here.page.select_option("#tradeoff-tools select >> nth=0", "codes")
    here.click_point("↳ published")
    assert here.page.locator("#details").is_hidden()


def test_curves_are_those_of_the_chosen_rows_with_bands_of_their_seeds(here):
    count = chosen(here)
    assert count == 5
    assert here.page.locator("#curves-plot .line").count() == count
    assert here.page.locator("#curves-plot .band").count() == count
    here.page.locator("#main-table tbody .pick input:checked").first.click()
    assert here.page.locator("#curves-plot .line").count() == count - 1
    here.page.click("#curves-legend .leave >> nth=0")
    assert here.page.locator("#curves-plot .line").count() == count - 2
    assert chosen(here) == count - 2
    here.page.locator("#main-table thead .pick input").click()
    assert chosen(here) == 12
    here.page.locator("#main-table thead .pick input").click()
    assert chosen(here) == 0
    assert "Choose rows" in here.page.inner_text("#curves-plot")


def test_curves_over_other_axes_and_of_other_metrics(here):
    names = []
    for name in ("images", "hours", "step"):
        here.page.check(f"#curves-tools [value={name}]")
        names.append(here.page.text_content("#curves-plot .axis-name >> nth=0"))
    assert names == ["images seen", "hours since the start", "optimizer steps"]
    before = here.page.locator("#curves-plot .line").first.get_attribute("d")
    here.page.select_option("#curves-tools select", "train loss")
    logarithmic = here.page.locator("#curves-plot .line").first.get_attribute("d")
    assert here.page.is_checked("#curves-tools label:text-is('log y')")  # falls to a tenth
    here.page.uncheck("#curves-tools label:text-is('log y')")
    linear = here.page.locator("#curves-plot .line").first.get_attribute("d")
    assert len({before, logarithmic, linear}) == 3
    assert "loss (training)" in here.page.inner_text("#curves-plot")


def test_values_are_read_by_pointer_and_by_keyboard(here):
    plot = here.page.locator("#curves-plot")
    plot.hover()
    assert here.page.locator("#tip").inner_text().count("(n = 3)") == 5
    plot.focus()
    here.page.keyboard.press("End")
    assert "optimizer steps: 800" in here.page.inner_text("#status")
    here.page.keyboard.press("ArrowLeft")
    assert "optimizer steps: 700" in here.page.inner_text("#status")


def test_the_mean_and_spread_are_those_of_the_seeds(here):
    values = here.page.evaluate(
        """() => {
          const data = JSON.parse(document.getElementById("data").textContent);
          const row = data.rows.find((row) => row.label === "vq codebook_size=256");
          return row.runs.map((run) => data.runs[run].curves.evaluate.values.psnr.at(-1));
        }"""
    )
    here.page.locator("#curves-plot").focus()
    here.page.keyboard.press("End")
    said = f"vq codebook_size=256: {mean(values):.4g} ± {stdev(values):.4g} (n = 3)"
    assert said in here.page.inner_text("#status")


def test_the_slider_moves_by_mouse_and_by_keyboard(here):
    page = here.page
    stage = page.locator("#stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    left = page.locator("#stage .layer.left")
    assert "50%" in left.evaluate("node => node.style.clipPath")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    cut = int(page.locator("#cut").input_value())
    assert 70 <= cut <= 90
    assert f"{100 - cut}%" in left.evaluate("node => node.style.clipPath")
    page.keyboard.press("ArrowRight")
    assert int(page.locator("#cut").input_value()) == cut + 1
    page.keyboard.press("Home")
    assert "100%" in left.evaluate("node => node.style.clipPath")
    assert page.locator("#cut").get_attribute("aria-valuetext") == "0 % left image"


def test_any_image_and_any_two_rows_are_compared(here):
    page = here.page
    page.click(".gallery [aria-label$='image 3'] >> nth=0")
    assert "Image 3 of 8" in page.inner_text("#image-hint")
    options = page.locator("#image-tools select >> nth=0").locator("option").all_inner_texts()
    assert options[0] == "input"
    assert len(options) == 1 + 18  # every seed of six rows
    page.select_option("#image-tools select >> nth=0", label=options[1])
    page.select_option("#image-tools select >> nth=1", label=options[4])
    assert options[1] in page.inner_text("#left-name")
    assert options[4] in page.inner_text("#right-name")
    sources = page.locator("#stage .layer img").evaluate_all("nodes => nodes.map(n => n.src)")
    assert len(set(sources)) == 2
    page.check("#image-tools label:has-text('difference')")
    assert page.locator("#stage.difference").count() == 1


@pytest.mark.parametrize(("cut", "name"), [("End", "inputs.png"), ("Home", "outputs.png")])
def test_the_pixels_are_those_of_the_image_that_is_asked_for(here, folder, cut, name):
    here.page.click(".gallery [aria-label$='seed 0, image 3'] >> nth=0")
    label = here.page.inner_text("#right-name").removesuffix(" ▶")
    size = label.split("=")[1].split(",")[0]
    here.page.focus("#cut")
    here.page.keyboard.press(cut)
    here.page.evaluate("document.querySelector('.cut-line').hidden = true")
    shown = Image.open(BytesIO(here.page.locator("#stage").screenshot())).convert("RGB")
    (strip,) = folder.glob(f"{label.split()[0]}-*size{size}-*seed0*/images/{name}")
    third = Image.open(strip).crop((64, 0, 96, 32)).resize(shown.size, Image.Resampling.NEAREST)
    away = np.abs(np.asarray(shown, float) - np.asarray(third, float))[8:-8, 8:-8]  # corners round
    assert np.median(away) <= 1
    assert away.mean() < 3


def test_configurations_mark_what_differs_from_a_baseline(here):
    page = here.page
    page.select_option("#configurations-tools select", label="vq codebook_size=256")
    rows = page.locator("#configurations tbody tr").all_inner_texts()
    assert not any(row.startswith("trainer.steps") for row in rows)
    (size,) = [row for row in rows if row.startswith("codebook_size")]
    assert size.split("\t")[1] == "256"
    assert size.count("≠") == 4  # of the five chosen rows it is one
    page.uncheck("#configurations-tools label:text-is('only what differs')")
    rows = page.locator("#configurations tbody tr").all_inner_texts()
    assert any(row.startswith("trainer.steps") for row in rows)
    assert any(row.startswith("What it was made with") for row in rows)


def test_a_failed_run_shows_its_traceback_as_text(here):
    here.page.click("#main-table .label:text-is('vq codebook_size=4096')")
    here.page.click("#details summary:text('error.txt')")
    text = here.page.inner_text("#details pre")
    assert "</script><script>document.title='run'</script><img src=x" in text
    assert "RuntimeError: <script>" in here.page.inner_text("#details .run-note")
    assert here.page.title() == "Quantizers"
    assert here.page.locator("img[src='x']").count() == 0


def test_hostile_names_are_text_wherever_they_stand(here):
    page = here.page
    page.fill("#filter", "onerror")
    page.locator("#main-table thead .pick input").click()
    page.locator("#main-table .label").click()
    for part in ("#main-table", "#details", "#configurations", "#curves-legend", "#tradeoff-plot"):
        assert "<script>" in page.inner_text(part), part
    page.locator(".point").first.focus()
    assert "<img src=x onerror" in page.inner_text("#tip")
    assert page.title() == "Quantizers"
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("body script:not([type])").count() == 3


def test_a_script_that_got_in_nevertheless_would_not_run(browser, report, tmp_path):
    text = report.read_text()
    bad = tmp_path / "bad.html"
    bad.write_text(text.replace("</body>", "<script>document.title = 'ran'</script></body>"))
    with opened(browser, bad) as here:
        assert here.page.title() == "Quantizers"
        (complaint,) = here.complaints
        assert "Content Security Policy" in complaint
        here.complaints.clear()


def test_rows_of_a_pivot_are_chosen_from_a_menu(browser, folder, tmp_path):
    page = page_of(folder)
    pivot = Table("", ("quantizer", "8", "n"), ((Cell("vq"), Cell("1.5"), Cell("3")),), ())
    path = tmp_path / "pivot.html"
    path.write_text(render_page(replace(page, tables=(pivot,))))
    with opened(browser, path) as here:
        assert here.page.locator("#curves-plot .line").count() == 5
        here.page.click("summary:text-is('Rows')")
        here.page.uncheck(".panel label:text-is('vq codebook_size=256')")
        assert here.page.locator("#curves-plot .line").count() == 4
        assert "published" not in here.page.inner_text("#summary")


def test_a_page_without_curves_and_images_says_which_files_are_missing(browser, tmp_path):
    runs = tmp_path / "runs"
    write_many(runs, rows=2, seeds=1)
    for path in [*runs.glob("*/metrics.jsonl"), *runs.glob("*/images/*")]:
        path.unlink()
    path = tmp_path / "old.html"
    path.write_text(render_page(page_of(runs)))
    with opened(browser, path) as here:
        assert "no metrics.jsonl" in here.page.inner_text("#curves-plot")
        assert "no images/outputs.png" in here.page.inner_text("#images")
        assert len(here.table()) == 3

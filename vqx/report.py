"""The ablation table of all runs: `python -m vqx.report [key=value ...]`."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence

from vqx.cli import shown

HELP = """\
The table of all runs: rows are what differs, seeds folded to mean ± standard deviation.

  python -m vqx.report                                   all of results/runs
  python -m vqx.report quantizer=fsq seed=0              runs whose configuration says so
  python -m vqx.report "where=quantizer.name=='fsq' and seed<3 and psnr>20"
  python -m vqx.report results/runs/ema-* name=ema       some folders
  python -m vqx.report +sweeps=swasun scale=cpu seed=0,1 the sweep's rows, missing ones included
  python -m vqx.report -m quantizer=fsq,vq               the same for a sweep that is typed
  python -m vqx.report table=headline                    a table file: sweeps/tables/headline.yaml
  python -m vqx.report --diff RUN RUN                    two runs side by side; parts of names do
  python -m vqx.report wandb=sync                        push finished offline runs to W&B, once

Rows and columns (KEY=VALUE; any other key selects runs, or overrides the sweep's)
  runs=results/runs     folders of runs, run folders, or patterns; several as [a,b]
  columns=[...]         e.g. [usage,psnr,lpips,bits,flops,steps,device_hours]; a wrong one lists all
  rows=[...]  sort=COL  rows by name, in this order; or best first. Default: by name
  seeds=folded          or separate: a row a run
  spread=std            or interval (Student's), bootstrap, none
  baseline=ROW          also differences to this row, paired by seed and by image, with intervals
  pivot=KEY,KEY         two-way tables of columns= (psnr), as pivot=levels,steps
  published=TABLE,...   or all: what others printed (results/published/TABLE.csv), in grey

Files: out/name.* and what they are called
  out=results/tables  name=ablation (a sweep's, a table file's)  title=TEXT of the page
  formats=[md,csv,tex]  and json, html, or all; csv: a line a row, and in NAME-runs.csv a line a run
  html=report.html      one page that opens from disk: sort, filter, curves, images, configurations
  pictures=all          png and svg, or some: pareto curves usage histogram images embeddings
                        heatmap; x=bits y=psnr curves=[psnr,train/loss] over=steps|images|hours
                        images=[0,3] image_seed=0 difference=true heatmap=[levels,steps] width=full
  --config-dir DIR      where sweeps and table files of your own are

`python -m vqx.status --watch` shows runs while they train; docs/report.md says more, in Python it
is vqx.reporting.table(...).
"""


def report(words: Sequence[str], *, show: Callable[[str], object], width: int, bold: bool) -> None:
    """Write the tables that `words` ask for, and show them."""
    from vqx.reporting.build import build_report, find_runs
    from vqx.reporting.options import parse
    from vqx.reporting.output import formats_of, write_report
    from vqx.reporting.terminal import render_terminal

    options = parse(words)
    if options.wandb is not None:
        from vqx.reporting.wandb_sync import sync

        sync(find_runs(options)[0], show=show)
        return
    on_demand = options.html is not None or "html" in formats_of(options)
    found = build_report(options, hover=on_demand)
    # First: `| head` must not lose them.
    paths, notes = write_report(found, words)
    for table in found.tables:
        show(render_terminal(table, width=width, bold=bold))
    for note in notes:
        show(f"{note.about}: {note.text}")
    for folder in found.skipped[:5]:
        show(f"skipped {folder.path}: {folder.reason}")
    if len(found.skipped) > 5:
        show(f"skipped {len(found.skipped) - 5} more folders that are no runs of their own")
    show("\n".join(f"wrote {path}" for path in paths))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return shown("vqx.report", _report, arguments, help_text=HELP)


def _report(words: Sequence[str]) -> None:
    from vqx.runs.collection import collection_paused

    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((140, 24)).columns
    if "--diff" in words:
        from vqx.reporting.diff import diff
        from vqx.reporting.options import results

        two = [word for word in words if word != "--diff"]
        diff(two, places=[str(results() / "runs")], show=print, width=width, bold=bold)
    else:
        with collection_paused():  # of thousands of runs it would take a third of the time
            report(words, show=print, width=width, bold=bold)


if __name__ == "__main__":
    sys.exit(main())

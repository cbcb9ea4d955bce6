// Metrics over steps, images or hours: a line a chosen row, with the band of its seeds.

const AXES = { step: "optimizer steps", images: "images seen", hours: "hours since the start" };
const curves = { what: null, axis: "step", logX: false, logY: false, width: 600, series: [], frame: null };

function startCurves() {
  const groups = curveOptions();
  const faults = new Set(data.runs.flatMap((run) => run.faults.filter((text) => text.includes("metrics.jsonl"))));
  if (!groups.length) return emptyPlot(byId("curves-plot"), ["There are no curves", ...faults].join(": "));
  const keys = groups.flatMap(([, options]) => options.map(([key]) => key));
  curves.what = ["evaluate psnr", "evaluate l2", "train l2", "train l1", "train loss"].find(isCurve) || keys.find(isCurve) || keys[0];
  const set = (name) => (value) => ((curves[name] = value), drawCurves());
  const logY = tick("log y", false, set("logY"));
  const fitting = () => (curves.logY = logY.querySelector("input").checked = spansDecades(curves.what));
  fitting();
  byId("curves-tools").append(
    choice("Metric", groups, curves.what, (value) => ((curves.what = value), fitting(), drawCurves())),
    switcher("Over", [["step", "steps"], ["images", "images"], ["hours", "hours"]], "step", set("axis")),
    tick("log x", false, set("logX")),
    logY,
  );
  const plot = byId("curves-plot");
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Curves of the chosen rows; arrow keys read values");
  plot.addEventListener("pointermove", (event) => readAt(pointerX(event)));
  plot.addEventListener("pointerleave", endReading);
  plot.addEventListener("blur", endReading);
  plot.addEventListener("keydown", readByKey);
  onWidth(plot, (width) => ((curves.width = width), drawCurves()));
  watch("chosen", drawCurves);
}

function drawCurves() {
  const host = byId("curves-plot");
  const [kind, key] = kindAndKey(curves.what);
  const all = chosenRows().map((row) => rowSeries(row, kind, key, curves.axis));
  curves.series = all.map((s) => ({ ...s, points: s.points.filter(plottable) })).filter(({ points }) => points.length);
  curves.frame = null;
  drawLegend(all);
  if (!curves.series.length) {
    const text = chosen.size ? "None of the chosen rows has this curve." : "Choose rows by their boxes in the table.";
    return emptyPlot(host, text);
  }
  const { width } = curves;
  const height = plotHeight(width);
  const points = curves.series.flatMap((series) => series.points);
  const xs = scaleOf(points.map((p) => p.x), [0, width - MARGIN.left - MARGIN.right], { log: curves.logX, pad: 0.01 });
  const ys = scaleOf(
    points.flatMap((p) => [p.low, p.high]).filter((v) => !curves.logY || v > 0),
    [height - MARGIN.top - MARGIN.bottom, 0],
    { log: curves.logY },
  );
  const yName = `${curveName(kind, key)} (${kind === "evaluate" ? "evaluation" : kind === "train" ? "training" : kind})`;
  const frame = plotFrame(host, { width, height, x: xs, y: ys, xName: AXES[curves.axis], yName, label: `${yName} over ${AXES[curves.axis]}` });
  curves.frame = { ...frame, xs, ys };
  for (const series of curves.series) drawSeries(frame.root, series, xs, ys);
  curves.cursor = frame.root.append("line").attr("class", "cursor").attr("y1", 0).attr("y2", frame.inside.height).attr("visibility", "hidden");
  byId("curves-hint").textContent = "Lines are means over seeds, bands ± one standard deviation. Point at the plot, or focus it and use the arrow keys, to read values.";
}

const plottable = (point) => (!curves.logX || point.x > 0) && (!curves.logY || point.mean > 0);

function drawSeries(root, { row, points, seeds }, xs, ys) {
  const group = root.append("g").attr("class", seriesClass(row));
  const floor = (value) => (curves.logY && value <= 0 ? ys.range()[0] : ys(value));
  if (seeds > 1) {
    const area = d3.area((p) => xs(p.x), (p) => floor(p.low), (p) => ys(p.high));
    group.append("path").attr("class", "band").attr("d", area(points));
  }
  group.append("path").attr("class", "line").attr("d", d3.line((p) => xs(p.x), (p) => ys(p.mean))(points));
  if (points.length <= 30)
    group
      .selectAll("circle")
      .data(points)
      .join("circle")
      .attr("class", "knot")
      .attr("cx", (p) => xs(p.x))
      .attr("cy", (p) => ys(p.mean))
      .attr("r", 2.5);
}

function drawLegend(all) {
  const key = (row) => {
    const svg = d3.create("svg").attr("class", `key ${seriesClass(row)}`).attr("width", 26).attr("height", 10).attr("aria-hidden", "true");
    svg.append("path").attr("class", "line").attr("d", "M1,5H25");
    return svg.node();
  };
  const leave = (row) =>
    make("button", { type: "button", class: "leave", "aria-label": `Leave out ${labelOf(row)}`, onclick: () => choose([row], false) }, "×");
  byId("curves-legend").replaceChildren(
    ...all.map(({ row, seeds }) =>
      make("span", { class: "entry" }, key(row), labelOf(row), make("small", {}, seeds ? ` n = ${seeds}` : " no curve"), leave(row)),
    ),
  );
}

const pointerX = (event) => event.clientX - byId("curves-plot").getBoundingClientRect().left - MARGIN.left;

/** Show the values of all lines at the points nearest to a place across. */
function readAt(place, { aloud = false } = {}) {
  if (!curves.frame) return;
  const { xs, inside } = curves.frame;
  const at = xs.invert(Math.min(Math.max(place, 0), inside.width));
  const near = curves.series.map((series) => ({ series, point: nearestPoint(series, at) }));
  const { point } = d3.least(near, (one) => Math.abs(one.point.x - at));
  curves.at = point.x;
  curves.cursor.attr("x1", xs(point.x)).attr("x2", xs(point.x)).attr("visibility", "visible");
  const lines = readings(point.x);
  const box = byId("curves-plot").getBoundingClientRect();
  const left = box.left + MARGIN.left + xs(point.x);
  showTip(lines, { left, width: 0, top: box.top + MARGIN.top + 20, bottom: box.top + 30 });
  if (aloud) announce(lines.join("; "));
}

/** What every line has at `x`, highest first; of lines that have ended by then, nothing. */
function readings(x) {
  const span = ({ points }) => points[0].x <= x && x <= points[points.length - 1].x;
  const there = curves.series.filter(span).map((series) => ({ series, point: nearestPoint(series, x) }));
  const one = ({ series, point }) => {
    const spread = point.n > 1 ? ` ± ${shortNumber(point.std)} (n = ${point.n})` : "";
    return `${clipped(labelOf(series.row), 40)}: ${shortNumber(point.mean)}${spread}`;
  };
  const most = d3.sort(there, ({ point }) => -point.mean);
  const more = most.length > 16 ? [`and ${most.length - 16} more`] : [];
  return [`${AXES[curves.axis]}: ${d3.format(curves.axis === "hours" ? ".3~r" : ",")(x)}`, ...most.slice(0, 16).map(one), ...more];
}

function endReading() {
  hideTip();
  if (curves.cursor) curves.cursor.attr("visibility", "hidden");
}

function readByKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
  if (!step || !curves.frame) return;
  event.preventDefault();
  const all = [...new Set(curves.series.flatMap(({ points }) => points.map((p) => p.x)))].sort(d3.ascending);
  const now = curves.at === undefined ? -1 : d3.bisectLeft(all, curves.at);
  readAt(curves.frame.xs(all[Math.min(Math.max(now + step, 0), all.length - 1)]), { aloud: true });
}

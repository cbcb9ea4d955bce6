// Any two columns against each other: points to click, and the front that no row beats.

const tradeoff = { x: null, y: null, logX: false, logY: false, width: 600 };

const numeric = () =>
  main.columns
    .map((column, index) => ({ ...column, index }))
    .filter((column) => !column.text && column.key !== "n" && distinct(column.index) > 0);

const distinct = (index) => new Set(main.rows.map((line) => line.cells[index].number).filter((n) => n !== undefined)).size;

/** Higher or lower, null where neither is better; what costs is better when there is less of it. */
const better = (column) => column.trade ?? null;

function startTradeoff() {
  const columns = numeric();
  if (columns.length < 2) return emptyPlot(byId("tradeoff-plot"), "There are no two columns of numbers.");
  const pick = (keys, least) => columns.find((c) => keys.includes(c.key) && distinct(c.index) >= least);
  const first = (keys, least) => keys.map((key) => pick([key], least)).find(Boolean);
  const x = first(["bits", "bits_per_image", "code_entropy", "parameters", "flops", "time"], 3) || first(["bits", "perplexity", "usage"], 1) || columns[0];
  const y = first(["psnr", "rfid", "lpips", "ssim", "l2"], 1);
  tradeoff.x = x.key;
  tradeoff.y = (y && y !== x ? y : columns.find((c) => c !== x)).key;
  const options = columns.map((column) => [column.key, column.title]);
  const set = (name) => (value) => ((tradeoff[name] = value), drawTradeoff());
  byId("tradeoff-tools").append(
    choice("Across", options, tradeoff.x, set("x")),
    choice("Up", options, tradeoff.y, set("y")),
    tick("log x", false, set("logX")),
    tick("log y", false, set("logY")),
  );
  onWidth(byId("tradeoff-plot"), (width) => ((tradeoff.width = width), drawTradeoff()));
  for (const what of ["shown", "chosen", "selected"]) watch(what, drawTradeoff);
}

/** The lines shown that have both numbers. */
function tradeoffPoints(x, y) {
  return shown
    .map((line) => ({ line, x: line.cells[x.index], y: line.cells[y.index] }))
    .filter((point) => point.x.number !== undefined && point.y.number !== undefined)
    .filter((point) => (!tradeoff.logX || point.x.number > 0) && (!tradeoff.logY || point.y.number > 0));
}

const competes = ({ line }) => line.row !== null && data.rows[line.row].discrete !== false;

/** Points of ours, of discrete models, that no other beats in one number and equals in the other. */
function frontOf(points, x, y) {
  const [sx, sy] = [x, y].map((column) => ({ higher: 1, lower: -1 })[better(column)]);
  if (!sx || !sy) return [];
  const rivals = points.filter(competes);
  const beats = (a, b) => {
    const [dx, dy] = [sx * (a.x.number - b.x.number), sy * (a.y.number - b.y.number)];
    return dx >= 0 && dy >= 0 && dx + dy > 0;
  };
  return d3.sort(rivals.filter((p) => !rivals.some((q) => beats(q, p))), (p) => p.x.number);
}

function drawTradeoff() {
  const host = byId("tradeoff-plot");
  const columns = numeric();
  const [x, y] = [tradeoff.x, tradeoff.y].map((key) => columns.find((column) => column.key === key));
  const points = tradeoffPoints(x, y);
  if (!points.length) return emptyPlot(host, "No row that is shown has both numbers.");
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.line : null;
  const width = tradeoff.width;
  const height = plotHeight(width);
  const spread = (point) => [point.y.number - (point.y.error || 0), point.y.number + (point.y.error || 0)];
  const xs = scaleOf(points.map((p) => p.x.number), [0, width - MARGIN.left - MARGIN.right], { log: tradeoff.logX });
  const ys = scaleOf(
    points.flatMap(spread).filter((v) => !tradeoff.logY || v > 0),
    [height - MARGIN.top - MARGIN.bottom, 0],
    { log: tradeoff.logY },
  );
  const name = (column) => `${column.title}${better(column) && !column.better ? ` (${better(column)} is better)` : ""}`;
  const frame = plotFrame(host, { width, height, x: xs, y: ys, xName: name(x), yName: name(y), label: `${y.title} against ${x.title}` });
  const front = frontOf(points, x, y);
  drawFront(frame.root, front, { xs, ys, lowIsBetter: better(x) === "lower" });
  const marks = drawPoints(frame.root, points, { x, y, xs, ys, front });
  pointing(frame, marks);
  drawLabels(frame, marks, front);
  roving(marks, focused);
  const said = front.length
    ? `The line joins the ${front.length === 1 ? "row" : `${front.length} rows`} that no other beats in both; bars are the spread over seeds. `
    : "Bars are the spread over seeds. ";
  byId("tradeoff-hint").textContent = `${said}Click a point, or reach it with Tab and arrows and press Enter, for its row. What the filter leaves out of the table is left out here.`;
}

/** Steps: between two rows no row is better than the one at hand. */
function drawFront(root, front, { xs, ys, lowIsBetter }) {
  const line = d3.line((p) => xs(p.x.number), (p) => ys(p.y.number)).curve(lowIsBetter ? d3.curveStepAfter : d3.curveStepBefore);
  root.append("path").attr("class", "front").attr("d", line(front));
}

function drawPoints(root, points, { x, y, xs, ys, front }) {
  const onFront = new Set(front);
  const last = (point) => (point.line.row === selected ? 3 : chosen.has(point.line.row) ? 2 : Number(onFront.has(point)));
  const marks = root
    .selectAll("g.point")
    .data(d3.sort(points, last))
    .join("g")
    .attr("class", (p) => `point ${pointClass(p, onFront)}`)
    .attr("transform", (p) => `translate(${xs(p.x.number)},${ys(p.y.number)})`)
    .attr("role", "button")
    .attr("data-line", (p) => main.rows.indexOf(p.line))
    .attr("aria-label", (p) => pointLines(p, x, y).join(", "));
  marks
    .filter((p) => p.y.error > 0)
    .append("path")
    .attr("class", "error")
    .attr("d", (p) => errorBar(p, ys));
  marks.append("circle").attr("class", "target").attr("r", 12);
  marks.append("path").attr("class", "dot").attr("d", (p) => (competes(p) ? d3.symbol(d3.symbolCircle, 90)() : d3.symbol(d3.symbolDiamond, 90)()));
  marks.each(function (point) {
    tipOn(this, () => pointLines(point, x, y));
    this.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (point.line.row !== null) select(point.line.row, { scroll: true, focus: true });
    });
  });
  return marks;
}

function errorBar(point, ys) {
  const middle = ys(point.y.number);
  const low = point.y.number - point.y.error;
  const bottom = tradeoff.logY && low <= 0 ? ys.range()[0] : ys(low);
  return `M0,${bottom - middle}V${ys(point.y.number + point.y.error) - middle}`;
}

function pointClass(point, onFront) {
  const { row } = point.line;
  const kind = row === null ? "published" : competes(point) ? "" : "not-discrete";
  return `${kind} ${onFront.has(point) ? "on-front" : ""} ${row === null ? "" : seriesClass(row)} ${row !== null && row === selected ? "selected" : ""}`;
}

function pointLines(point, x, y) {
  const notes = point.line.row === null ? ["published"] : competes(point) ? [] : ["not discrete: not compared"];
  return [point.line.cells[0].text, `${y.title}: ${plainText(point.y)}`, `${x.title}: ${plainText(point.x)}`, ...notes];
}

const REACH = 28; // CSS pixels: points may lie on each other, so the nearest one is meant

/** The pointer means the nearest point within reach: its tooltip, and a click for its row. */
function pointing({ svg, root }, marks) {
  const place = (node) => node.transform.baseVal[0].matrix;
  const near = (event) => {
    const [px, py] = d3.pointer(event, root.node());
    const far = (node) => Math.hypot(place(node).e - px, place(node).f - py);
    const node = d3.least(marks.nodes(), far);
    return far(node) <= REACH ? node : null;
  };
  svg.on("pointermove", (event) => {
    const node = near(event);
    marks.classed("near", (_, index, nodes) => nodes[index] === node);
    if (node) showTip(tips.get(node)(), node.getBoundingClientRect());
    else hideTip();
  });
  svg.on("pointerleave", () => (marks.classed("near", false), hideTip()));
  svg.on("click", (event) => {
    const node = near(event);
    const row = node ? d3.select(node).datum().line.row : null;
    if (row !== null) select(row, { scroll: true });
  });
}

/** One stop for Tab; arrows go from point to point, left to right. */
function roving(marks, focused) {
  const nodes = d3.sort(marks.nodes(), (node) => node.transform.baseVal[0].matrix.e);
  const again = nodes.find((node) => node.dataset.line === focused);
  nodes.forEach((node, index) => {
    node.setAttribute("tabindex", node === (again || nodes[0]) ? 0 : -1);
    node.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      const next = step && nodes[index + step];
      if (!next) return;
      event.preventDefault();
      nodes.forEach((one) => one.setAttribute("tabindex", one === next ? 0 : -1));
      next.focus();
    });
  });
  if (again) again.focus({ preventScroll: true });
}

/** Names beside points, the front's and the chosen ones first, as far as there is room. */
function drawLabels({ root, inside }, marks, front) {
  const places = [];
  marks.each(function () {
    const { e, f } = this.transform.baseVal[0].matrix;
    places.push([e - 7, f - 7, e + 7, f + 7]);
  });
  const clash = (a) => places.some((b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]);
  const outside = (a) => a[0] < 0 || a[2] > inside.width || a[1] < 0 || a[3] > inside.height;
  const weight = (p) => (p.line.row === selected ? 3 : 0) + (chosen.has(p.line.row) ? 2 : 0) + (front.includes(p) ? 1 : 0);
  const nodes = d3.sort(marks.nodes(), (node) => -weight(d3.select(node).datum()));
  for (const node of nodes) {
    const point = d3.select(node).datum();
    const text = root.append("text").attr("class", "point-name").attr("aria-hidden", "true").text(clipped(point.line.cells[0].text, 26));
    const size = text.node().getComputedTextLength();
    const { e, f } = node.transform.baseVal[0].matrix;
    const spots = [[10, 4], [-size - 10, 4], [-size / 2, -11], [-size / 2, 20], [8, -9], [8, 17], [-size - 8, -9], [-size - 8, 17]];
    const spot = spots.find(([dx, dy]) => {
      const box = [e + dx - 2, f + dy - 11, e + dx + size + 2, f + dy + 3];
      return !clash(box) && !outside(box) && places.push(box);
    });
    if (spot) text.attr("x", e + spot[0]).attr("y", f + spot[1]);
    else text.remove();
  }
}

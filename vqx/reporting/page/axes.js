// What all plots share: scales, grid, axes and their names.

const MARGIN = { top: 12, right: 16, bottom: 46, left: 62 };

/** A scale over `values` with some air; logarithmic where asked for and possible. */
function scaleOf(values, range, { log = false, pad = 0.06 } = {}) {
  const [low, high] = d3.extent(values);
  if (log && low > 0) {
    const factor = high > low ? (high / low) ** pad : 1.5;
    return d3.scaleLog([low / factor, high * factor], range);
  }
  const air = high > low ? (high - low) * pad : Math.abs(high) * 0.05 || 1;
  return d3.scaleLinear([low - air, high + air], range);
}

/** An empty plot in `host` with grid and named axes; gives its drawing group. */
function plotFrame(host, { width, height, x, y, xName, yName, label }) {
  const svg = d3
    .create("svg")
    .attr("viewBox", [0, 0, width, height])
    .attr("width", width)
    .attr("height", height)
    .attr("role", "group")
    .attr("aria-label", label);
  const inside = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const root = svg.append("g").attr("transform", `translate(${MARGIN.left},${MARGIN.top})`);
  const few = Math.max(2, Math.min(7, Math.floor(inside.width / 80)));
  grid(root, d3.axisBottom(x), few, "x", inside);
  grid(root, d3.axisLeft(y), 6, "y", inside);
  root
    .append("text")
    .attr("class", "axis-name")
    .attr("x", inside.width / 2)
    .attr("y", inside.height + 38)
    .text(clipped(xName, Math.floor(inside.width / 7)));
  root
    .append("text")
    .attr("class", "axis-name")
    .attr("transform", `translate(${-MARGIN.left + 14},${inside.height / 2}) rotate(-90)`)
    .text(clipped(yName, Math.floor(inside.height / 7)));
  host.replaceChildren(svg.node());
  return { svg, root, inside };
}

function grid(root, axis, count, name, { width, height }) {
  const size = name === "x" ? -height : -width;
  const format = axis.scale().base ? logFormat(axis.scale(), count) : shortNumber;
  const group = root.append("g").attr("class", `axis axis-${name}`).attr("aria-hidden", "true");
  if (name === "x") group.attr("transform", `translate(0,${height})`);
  group.call(axis.ticks(count).tickSize(size).tickPadding(8).tickFormat(format));
}

/** On a logarithmic axis name no more ticks than fit. */
function logFormat(scale, count) {
  const named = scale.tickFormat(count, (value) => shortNumber(value));
  return (value) => named(value);
}

/** The height of plots on a page so wide. */
const plotHeight = (width) => Math.round(Math.min(430, Math.max(300, width * 0.62)));

/** A sentence where there is nothing to plot. */
function emptyPlot(host, text) {
  host.replaceChildren(make("p", { class: "empty" }, text));
}

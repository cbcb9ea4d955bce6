// What the page shows, and what of it is chosen: each part watches what it depends on.

const data = JSON.parse(byId("data").textContent);
const main = data.tables[0];
const SERIES = 8; // colours; beyond them lines are dashed

const chosen = new Map(); // row -> its place among colours and dashes
let shown = []; // lines of the main table as filtered and sorted
let selected = null; // the row whose details are open

const watchers = { chosen: [], shown: [], selected: [] };
const watch = (what, action) => watchers[what].push(action);
const tell = (what) => watchers[what].forEach((action) => action());

const chosenRows = () => [...chosen.keys()].sort((a, b) => a - b);

/** Choose or leave rows for curves, images and configurations. */
function choose(rows, on = true) {
  for (const row of rows) {
    if (!on) chosen.delete(row);
    else if (!chosen.has(row)) chosen.set(row, freeSlot());
  }
  tell("chosen");
}

function freeSlot() {
  const taken = new Set(chosen.values());
  let slot = 0;
  while (taken.has(slot)) slot += 1;
  return slot;
}

/** CSS classes of a row's colour and dash; none if it is not chosen. */
function seriesClass(row) {
  if (!chosen.has(row)) return "";
  const slot = chosen.get(row);
  return `series series-${slot % SERIES} dash-${Math.floor(slot / SERIES) % 3}`;
}

const runsOf = (row) => data.rows[row].runs.map((index) => data.runs[index]);
const isPublished = (line) => line.row === null && Boolean(line.cells[0].grey);
const lineOf = (row) => main.rows.find((line) => line.row === row);
const labelOf = (row) => data.rows[row].label;
const seedLabel = (run, index) => (run.seed === null ? `run ${index + 1}` : `seed ${run.seed}`);
const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** A number for an axis or a tooltip. */
function shortNumber(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5) return d3.format(".4~s")(value);
  return size < 1e-4 ? d3.format(".3~e")(value) : d3.format(".4~r")(value);
}

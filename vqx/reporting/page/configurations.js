// Configurations side by side, with what differs marked.

const sideBySide = data.configurations;
const placement = new Set(sideBySide.placement);
const MADE_WITH = "made with: ";
const comparison = { baseline: "usual", onlyDifferent: true };

/** A run's value of a configuration's key, undefined where it has none. */
const valueOf = (run, key) => (Object.hasOwn(sideBySide.own[run], key) ? sideBySide.own[run][key] : sideBySide.common[key]);
const firstRun = (row) => data.rows[row].runs[0];

const VARIES = Symbol("no value is that of most rows");

const usual = new Map(); // key -> what more than half of the rows have

function usualValue(key) {
  if (Object.hasOwn(sideBySide.common, key)) return sideBySide.common[key];
  if (!usual.has(key)) usual.set(key, commonest(key));
  return usual.get(key);
}

function commonest(key) {
  const counts = d3.rollup(data.rows, (rows) => rows.length, (row) => valueOf(row.runs[0], key));
  const [value, count] = d3.greatest(counts, ([, count]) => count);
  return 2 * count > data.rows.length ? value : VARIES;
}

const baselineValue = (key) =>
  comparison.baseline === "usual" ? usualValue(key) : valueOf(firstRun(Number(comparison.baseline)), key);

/** Which of three a key is: what is trained, where it runs, what it was made with. */
function kindOf(key) {
  if (key.startsWith(MADE_WITH)) return "made";
  return placement.has(key) ? "place" : "identity";
}

const KINDS = [
  ["identity", "What is trained: these can change a number"],
  ["place", "Where and how it runs: these cannot"],
  ["made", "What it was made with"],
];

function startConfigurations() {
  const rows = data.rows.map(({ label }, row) => [String(row), clipped(label, 60)]);
  const set = (name) => (value) => ((comparison[name] = value), drawConfigurations());
  byId("configurations-tools").append(
    choice("Differences from", [["usual", "what most rows have"], ...rows], "usual", set("baseline")),
    tick("only what differs", true, set("onlyDifferent")),
  );
  watch("chosen", drawConfigurations);
}

function drawConfigurations() {
  const host = byId("configurations");
  const rows = chosenRows();
  if (!rows.length) return emptyPlot(host, "Choose rows by their boxes in the table.");
  const baseline = comparison.baseline === "usual" ? null : Number(comparison.baseline);
  const columns = baseline === null ? rows : [baseline, ...rows.filter((row) => row !== baseline)];
  host.replaceChildren(configurationTable(columns.map((row) => ({ run: firstRun(row), title: labelOf(row), row })), comparison.onlyDifferent, "seed"));
}

/** Whether a key only passes on a root key that says the same in every column. */
function isWiring(key, columns) {
  const leaf = key.slice(key.lastIndexOf(".") + 1);
  const same = ({ run }) => valueOf(run, key) === valueOf(run, leaf);
  return leaf !== key && sideBySide.keys.includes(leaf) && columns.every(same) && baselineValue(key) === baselineValue(leaf);
}

/** Keys down, runs across; a value that is not the baseline's is marked by ≠ and by colour. */
function configurationTable(columns, onlyDifferent, without, label = "Configurations side by side") {
  const differs = (key) => columns.some(({ run }) => valueOf(run, key) !== baselineValue(key));
  const keys = sideBySide.keys
    .filter((key) => !onlyDifferent || !isWiring(key, columns))
    .filter((key) => key !== without && columns.some(({ run }) => valueOf(run, key) !== undefined || baselineValue(key) !== undefined))
    .filter((key) => !onlyDifferent || differs(key));
  if (!keys.length) return make("p", { class: "empty" }, "Nothing differs.");
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "key"), make("th", { scope: "col" }, comparison.baseline === "usual" ? "most rows" : "baseline"), columns.map(({ title, row }) => make("th", { scope: "col" }, make("span", { class: `swatch ${seriesClass(row)}`, "aria-hidden": "true" }), title))));
  const bodies = KINDS.map(([kind, name]) => [name, keys.filter((key) => kindOf(key) === kind)])
    .filter(([, own]) => own.length)
    .map(([name, own]) =>
      make("tbody", {}, make("tr", { class: "kind" }, make("th", { scope: "colgroup", colspan: columns.length + 2 }, make("span", {}, name))), own.map((key) => configurationRow(key, columns))),
    );
  return make("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": label }, make("table", { class: "configuration" }, head, bodies));
}

function configurationRow(key, columns) {
  const baseline = baselineValue(key);
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, key.replace(MADE_WITH, "")),
    make("td", { class: "usual" }, shownValue(baseline)),
    columns.map(({ run }) => {
      const value = valueOf(run, key);
      return value === baseline
        ? make("td", { class: "same" }, shownValue(value))
        : make("td", { class: "differs" }, make("span", { role: "img", "aria-label": "differs:" }, "≠\u00a0"), shownValue(value));
    }),
  );
}

/** Written so that what has no value, and what has no usual one, cannot be taken for a value. */
function shownValue(value) {
  if (value === VARIES) return make("em", {}, "varies");
  return value === undefined ? "–" : value;
}

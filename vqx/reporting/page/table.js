// A table that sorts and filters (TanStack Table keeps the state), drawn as a plain <table>.

/** A view of one of data.tables; the main one has boxes to choose rows by, and opens details. */
function tableView(source, { isMain = false, onchange = () => {} } = {}) {
  const lines = source.rows;
  const core = TableCore.createTable({
    data: lines,
    columns: source.columns.map(coreColumn),
    state: {},
    onStateChange: () => {},
    renderFallbackValue: null,
    getCoreRowModel: TableCore.getCoreRowModel(),
    getFilteredRowModel: TableCore.getFilteredRowModel(),
    getSortedRowModel: TableCore.getSortedRowModel(),
  });
  const hidden = source.columns.map((column, index) => [`c${index}`, !column.hidden]);
  let state = { ...core.initialState, columnVisibility: Object.fromEntries(hidden) };
  const view = { source, lines, core, isMain, order: lines, columns: [] };
  const update = (change) => {
    state = typeof change === "function" ? change(state) : change;
    core.setOptions((options) => ({ ...options, state }));
    drawState(view);
    onchange(view);
  };
  core.setOptions((options) => ({ ...options, state, onStateChange: update }));
  drawWhole(view);
  drawState(view);
  return view;
}

/** How TanStack sees a column: numbers by size, texts as people count; what is missing comes last. */
function coreColumn(column, index) {
  return {
    id: `c${index}`,
    accessorFn: (line) => sortValue(line.cells[index], column),
    sortingFn: column.text ? (a, b, id) => natural(a.getValue(id), b.getValue(id)) : "basic",
    sortUndefined: "last",
    sortDescFirst: column.better === "higher",
    filterFn: (row, id, query) => matches(row.original, query),
  };
}

const collator = new Intl.Collator("en", { numeric: true });
const natural = (a, b) => collator.compare(a, b);
const sortValue = (cell, column) => (column.text ? cell.text : cell.number);

function drawWhole(view) {
  const { source, isMain } = view;
  view.headers = source.columns.map((column, index) => headerCell(view, column, index));
  const pick = isMain ? [make("th", { scope: "col", class: "pick" }, pickAll(view))] : [];
  const first = isMain ? [...pick, ...view.headers] : view.headers;
  view.bodyRows = new Map(view.lines.map((line) => [line, bodyRow(view, line)]));
  view.body = make("tbody");
  view.table = make(
    "table",
    { role: "grid", class: "grid", "aria-label": source.name || "Results" },
    make("thead", {}, make("tr", {}, first)),
    view.body,
  );
  view.element = make("div", { class: "scroller" }, view.table);
  navigable(view.table, view.bodyRows.values());
}

function headerCell(view, column, index) {
  const button = make(
    "button",
    { type: "button", class: "sort", onclick: (event) => toggleSort(view, index, event.shiftKey) },
    make("span", {}, column.title),
    make("span", { class: "arrow", "aria-hidden": "true" }),
  );
  return make("th", { scope: "col", class: column.text ? "text" : "number", "data-key": column.key }, button);
}

function toggleSort(view, index, add) {
  view.core.getColumn(`c${index}`).toggleSorting(undefined, add);
  const { title } = view.source.columns[index];
  const sort = view.headers[index].getAttribute("aria-sort");
  announce(sort === "none" ? `${title}: original order` : `sorted by ${title}, ${sort}`);
}

function bodyRow(view, line) {
  const cells = view.source.columns.map((column, index) => {
    const cell = line.cells[index];
    const kind = `${column.text ? "text" : "number"}${cell.grey ? " grey" : ""}`;
    const element = make(index ? "td" : "th", { class: kind, scope: index ? null : "row" });
    element.append(...cellNodes(view, line, column, cell).filter((node) => node !== null));
    if (cell.hover) tipOn(element, () => hoverLines(cell));
    else if (column.key === "state" && stateLines(line.row).length) tipOn(element, () => stateLines(line.row));
    return element;
  });
  const pick = view.isMain ? [make("td", { class: "pick" }, line.row === null ? [] : pickBox(line.row))] : [];
  return make("tr", { class: isPublished(line) ? "published" : "", "data-row": line.row }, pick, cells);
}

function cellNodes(view, line, column, cell) {
  if (column.key === "state") return stateBadges(cell.text);
  if (!column.text || column !== view.source.columns[0]) return numberContent(cell);
  if (!view.isMain || line.row === null) return [cell.text];
  const open = () => select(line.row, { focus: true });
  return [make("button", { type: "button", class: "label", onclick: open, "aria-haspopup": "true" }, cell.text)];
}

function pickBox(row) {
  const label = `Show ${labelOf(row)} in curves, images and configurations`;
  return make("input", {
    type: "checkbox",
    "aria-label": label,
    onchange: (event) => choose([row], event.target.checked),
  });
}

/** Choose all rows that are shown, or none. */
function pickAll(view) {
  const box = make("input", {
    type: "checkbox",
    "aria-label": "Show all listed rows in curves, images and configurations",
    onchange: () => choose(box.checked ? shownRows(view) : chosenRows(), box.checked),
  });
  return (view.pickAll = box);
}

const shownRows = (view) => view.order.map((line) => line.row).filter((row) => row !== null);

/** Bring rows in order, and show the columns and arrows that the state says. */
function drawState(view) {
  const { core, source } = view;
  view.order = core.getRowModel().rows.map((row) => row.original);
  view.columns = source.columns
    .map((column, index) => ({ column, index }))
    .filter(({ index }) => core.getColumn(`c${index}`).getIsVisible());
  view.body.replaceChildren(...view.order.map((line) => view.bodyRows.get(line)));
  if (!view.order.length) view.body.append(nothing(source.columns.length + 1));
  const visible = new Set(view.columns.map(({ index }) => index));
  source.columns.forEach((column, index) => {
    const sorted = core.getColumn(`c${index}`).getIsSorted();
    const direction = { asc: "ascending", desc: "descending" }[sorted] || "none";
    view.headers[index].setAttribute("aria-sort", direction);
    view.headers[index].querySelector(".arrow").textContent = { asc: "▲", desc: "▼" }[sorted] || "";
    for (const tr of [view.headers[index], ...[...view.bodyRows.values()].map((r) => r.children[index + (view.isMain ? 1 : 0)])])
      tr.hidden = !visible.has(index);
  });
}

const nothing = (span) =>
  make("tr", {}, make("td", { class: "nothing", colspan: span }, "No row has all that the filter asks for."));

/** The boxes and colours of chosen rows, and which row's details are open. */
function drawChoice(view) {
  for (const [line, element] of view.bodyRows) {
    if (line.row === null) continue;
    const box = element.querySelector(".pick input");
    box.checked = chosen.has(line.row);
    box.className = seriesClass(line.row);
    element.classList.toggle("selected", line.row === selected);
    element.setAttribute("aria-selected", String(line.row === selected));
  }
  const rows = shownRows(view);
  const on = rows.filter((row) => chosen.has(row)).length;
  view.pickAll.checked = on > 0 && on === rows.length;
  view.pickAll.indeterminate = on > 0 && on < rows.length;
}

/** The notes under a table: what a reader must not miss first, as the report orders them. */
function noteList(notes) {
  const entries = notes.map(({ about, text }) =>
    make("div", { class: about === "confound" ? "note confound" : "note" }, make("dt", {}, withCode(about)), make("dd", {}, withCode(text))),
  );
  return entries.length ? make("dl", { class: "notes" }, entries) : make("div");
}

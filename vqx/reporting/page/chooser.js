// What stands above the main table: filter, columns, chosen rows, copies.

/** Build the toolbar of the main table's view. */
function tableTools(view) {
  const filter = make("input", {
    type: "search",
    id: "filter",
    placeholder: exampleFilter(view.source),
    spellcheck: "false",
    autocomplete: "off",
    oninput: () => view.core.getColumn("c0").setFilterValue(filter.value.trim() || undefined),
  });
  byId("table-tools").append(
    make("label", { class: "field grow" }, make("span", {}, "Filter"), filter),
    make("output", { id: "count", for: "filter", class: "count" }),
    ...rowMenu(),
    columnMenu(view),
    copyMenu(view),
  );
  byId("table-hint").append(
    "Click a header to sort (Shift adds a column), a name for its runs and configuration, ",
    "a box to show a row in the curves and images below. Point at a number for its protocol and seeds. ",
    make("strong", { class: "best" }, "best"),
    ", ",
    make("span", { class: "second" }, "second best"),
    ".",
  );
}

/** A comparison that works on this very table. */
function exampleFilter(source) {
  const column = ["psnr", "lpips", "usage"].find((key) => source.columns.some((c) => c.key === key));
  const cell = column && source.rows.map((r) => r.cells[source.columns.findIndex((c) => c.key === column)]);
  const numbers = cell ? cell.map((c) => c.number).filter((n) => n !== undefined) : [];
  return numbers.length ? `fsq done ${column}>${shortNumber(d3.median(numbers))}` : "words of a name or state";
}

/** A menu that closes on Escape and on a click elsewhere. */
function menu(label, content) {
  const summary = make("summary", { class: "button" }, label);
  const details = make("details", { class: "menu" }, summary, make("div", { class: "panel" }, content));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    summary.focus();
    event.stopPropagation();
  });
  document.addEventListener("click", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
  return details;
}

function columnMenu(view) {
  const boxes = view.source.columns.map((column, index) => {
    if (index === 0) return null;
    const known = data.metrics[column.key];
    const text = known && !column.title.includes(known.title) ? `${column.title} (${known.title})` : column.title;
    return tick(text, !column.hidden, (on) => view.core.getColumn(`c${index}`).toggleVisibility(on));
  });
  return menu("Columns", [make("fieldset", { class: "columns" }, make("legend", {}, "Columns shown"), boxes)]);
}

/** Boxes of rows that have no line of their own, as in a pivot: they are chosen here. */
function rowMenu() {
  const rows = d3.range(data.rows.length).filter((row) => lineOf(row) === undefined);
  if (!rows.length) return [];
  const boxes = rows.map((row) => tick(labelOf(row), false, (on) => choose([row], on)));
  watch("chosen", () => boxes.forEach((box, index) => (box.querySelector("input").checked = chosen.has(rows[index]))));
  return [menu("Rows", [make("fieldset", { class: "columns" }, make("legend", {}, "Rows in curves, images and configurations"), boxes)])];
}

function copyMenu(view) {
  const whole = (text, name) => (text ? copyButton(`Copy ${name}`, () => text, `The whole report as ${name}`) : null);
  const shownAs = (name, write) =>
    copyButton(`${name}, as shown`, () => write(view.columns, view.order), `What is shown, as ${name},`);
  const tabs = (columns, lines) =>
    [columns.map(({ column }) => column.title), ...lines.map((l) => columns.map(({ index }) => plainText(l.cells[index])))]
      .map((row) => row.join("\t"))
      .join("\n");
  return make("div", { class: "group" }, [
    whole(data.markdown, "Markdown"),
    whole(data.latex, "LaTeX"),
    menu("Copy as shown", [
      make("div", { class: "stack" }, [
        shownAs("Markdown", markdownOf),
        shownAs("LaTeX", latexOf),
        shownAs("Tab-separated text", tabs),
      ]),
    ]),
  ]);
}

/** How many rows the filter leaves. */
function drawCount(view) {
  const all = view.lines.length;
  const left = view.order.length;
  byId("count").textContent = left === all ? `${all} rows` : `${left} of ${all} rows`;
}

// One row's details beside the table: its runs, how they ended, its configuration.

let openedBy = null;

/** Open a row's details; `scroll`: bring its line into view, `focus`: go there with the keyboard. */
function select(row, { scroll = false, focus = false } = {}) {
  if (selected === null || focus) openedBy = document.activeElement;
  selected = row;
  drawDetails(row);
  tell("selected");
  const line = document.querySelector(`#main-table tr[data-row="${row}"]`);
  if (scroll && line && line.isConnected) line.scrollIntoView({ block: "center", inline: "nearest" });
  if (focus) byId("details-heading").focus({ preventScroll: true });
  announce(`Details of ${labelOf(row)}`);
}

function closeDetails() {
  const row = selected;
  selected = null;
  byId("details").hidden = true;
  document.body.classList.remove("with-details");
  tell("selected");
  const name = document.querySelector(`#main-table tr[data-row="${row}"] .label`);
  const back = openedBy && openedBy.isConnected && openedBy !== document.body ? openedBy : name;
  if (back) back.focus({ preventScroll: true });
}

function startDetails() {
  document.addEventListener("keydown", (event) => event.key === "Escape" && selected !== null && closeDetails());
  watch("chosen", () => selected !== null && byId("details").querySelector(".pick-this input") && (byId("details").querySelector(".pick-this input").checked = chosen.has(selected)));
}

function drawDetails(row) {
  const host = byId("details");
  const line = lineOf(row);
  const runs = runsOf(row);
  const pick = tick("in curves, images and configurations", chosen.has(row), (on) => choose([row], on));
  pick.classList.add("pick-this");
  host.replaceChildren(
    make("div", { class: "details-head" }, make("h2", { id: "details-heading", tabindex: -1 }, labelOf(row)), make("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: closeDetails }, "×")),
    pick,
    make("h3", {}, runs.length === 1 ? "The run" : `${runs.length} runs`),
    make("ul", { class: "runs" }, runs.map(runEntry)),
    ...(line ? [make("h3", {}, "Numbers"), numberList(line)] : []),
    make("h3", {}, "Configuration"),
    make("p", { class: "hint" }, comparison.baseline === "usual" ? "Beside what most rows have; ≠ marks what differs." : `Beside ${labelOf(Number(comparison.baseline))}; ≠ marks what differs.`),
    ...rowConfiguration(row),
  );
  host.hidden = false;
  host.scrollTop = 0;
  document.body.classList.add("with-details");
}

/** What differs first, then all of it. */
function rowConfiguration(row) {
  const columns = [{ run: firstRun(row), title: "this row", row }];
  return [
    configurationTable(columns, true, "seed", "What differs in this row"),
    make("details", { class: "all" }, make("summary", {}, "All of it"), configurationTable(columns, false, null, "Whole configuration of this row")),
  ];
}

function runEntry(run, index) {
  const lines = [
    make("div", {}, make("strong", {}, seedLabel(run, index)), " ", badge(run.state)),
    make("code", { class: "folder" }, run.folder),
  ];
  if (run.note) lines.push(make("p", { class: "run-note" }, run.note));
  if (run.error) lines.push(make("details", {}, make("summary", {}, "error.txt"), make("pre", {}, run.error)));
  if (run.faults.length) lines.push(make("p", { class: "hint" }, `Not on this page: ${run.faults.join("; ")}.`));
  return make("li", {}, lines);
}

function numberList(line) {
  const entries = main.columns
    .map((column, index) => ({ column, cell: line.cells[index] }))
    .filter(({ column, cell }) => !column.text && cell.text && cell.text !== "-");
  return make("dl", { class: "numbers" }, entries.map(({ column, cell }) => make("div", {}, make("dt", {}, column.title), make("dd", {}, numberContent(cell).filter(Boolean)))));
}

// Put it all on the page.

function drawHead() {
  byId("title").textContent = data.title;
  byId("caption").textContent = main.caption;
  const states = d3.rollups(data.runs, (runs) => runs.length, (run) => run.state);
  const published = main.rows.filter(isPublished).length;
  byId("summary").append(
    plural(data.rows.length, "row"),
    ", ",
    plural(data.runs.length, "run"),
    ": ",
    ...states.map(([state, count]) => badge(`${count} ${state}`)),
    ...(published ? [badge(`${published} published`)] : []),
  );
  for (const text of data.left_out) byId("summary").after(make("p", { class: "warning" }, `${text}. Select fewer runs to see them.`));
  const command = data.command ? [make("code", {}, data.command), " ", copyButton("Copy", () => data.command, "The command")] : [];
  byId("made-by").append(make("p", {}, `Made by vqx ${data.version}`, data.command ? " with " : ".", ...command));
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function startTables() {
  const view = tableView(main, { isMain: true, onchange: shownChanged });
  byId("main-table").append(view.element, noteList(main.notes));
  tableTools(view);
  shown = view.order;
  drawCount(view);
  for (const what of ["chosen", "shown", "selected"]) watch(what, () => drawChoice(view));
  for (const more of data.tables.slice(1)) {
    const other = tableView(more, { onchange: (changed) => keepEntrance(changed.table) });
    byId("more-tables").append(make("section", { class: "more" }, make("h3", {}, more.name || "Another table"), more.caption ? make("p", { class: "caption" }, more.caption) : null, other.element, noteList(more.notes)));
  }
}

function shownChanged(view) {
  shown = view.order;
  drawCount(view);
  keepEntrance(view.table);
  tell("shown");
}

/** Rows to begin with: the first few of ours that have something to show. */
function firstChoice() {
  const listed = main.rows.map((line) => line.row).filter((row) => row !== null);
  const rows = listed.length ? listed : d3.range(data.rows.length);
  const full = rows.filter((row) => runsOf(row).some((run) => run.curves || run.outputs !== undefined));
  return (full.length ? full : rows).slice(0, 5);
}

drawHead();
startTables();
startTradeoff();
startCurves();
startImages();
startConfigurations();
startDetails();
startTips();
choose(firstChoice());

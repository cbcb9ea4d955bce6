// A grid under the keyboard: Tab reaches it once, arrows move in it.

const MOVES = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
  PageUp: [-10, 0],
  PageDown: [10, 0],
};

const inner = (cell) => cell.querySelector("button, input") || cell;
const cellsOf = (row) => [...row.children].filter((cell) => !cell.hidden);
const rowsOf = (table) => [...table.rows].filter((row) => row.isConnected);

/** Let arrows, Home, End and Page keys move the focus from cell to cell, header included.
 *  `rows`: those of the body, which come and go with the filter. */
function navigable(table, rows) {
  for (const row of [...table.rows, ...rows])
    for (const cell of row.children) inner(cell).tabIndex = -1;
  const start = table.tHead.querySelector(".sort");
  start.tabIndex = 0;
  let current = start;
  table.addEventListener("focusin", (event) => {
    const target = inner(event.target.closest("th, td"));
    current.tabIndex = -1;
    current = target;
    current.tabIndex = 0;
  });
  table.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moveFocus(table, event.target.closest("th, td"), move);
  });
}

/** Where Tab enters a grid again whose focused row or column is gone. */
function keepEntrance(table) {
  const entrance = table.querySelector('[tabindex="0"]');
  const there = entrance && entrance.isConnected && !entrance.closest("[hidden]");
  if (!there) table.tHead.querySelector("th:not([hidden]) .sort").tabIndex = 0;
}

function moveFocus(table, cell, [down, right]) {
  const rows = rowsOf(table);
  const row = rows.indexOf(cell.parentNode);
  const column = cellsOf(cell.parentNode).indexOf(cell);
  const cells = cellsOf(rows[Math.min(Math.max(row + down, 0), rows.length - 1)]);
  const target = inner(cells[Math.min(Math.max(column + right, 0), cells.length - 1)]);
  target.focus();
  target.closest("th, td").scrollIntoView({ block: "nearest", inline: "nearest" });
}

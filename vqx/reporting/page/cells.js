// The content of a table's cells.

const GLYPHS = {
  done: "✓",
  running: "▶",
  queued: "…",
  missing: "○",
  failed: "✕",
  collapsed: "▽",
  diverged: "∞",
  interrupted: "‖",
  stale: "◷",
  published: "¶",
};

/** A state as a coloured word with a sign: colour is never all that tells it. */
function badge(text) {
  const word = Object.keys(GLYPHS).find((state) => new RegExp(`\\b${state}\\b`).test(text)) || "other";
  const sign = GLYPHS[word] ? make("span", { "aria-hidden": "true", class: "sign" }, GLYPHS[word]) : null;
  return make("span", { class: `badge state-${word}` }, sign, text);
}

/** `2 done, 1 failed` as badges. */
function stateBadges(text) {
  return text.split(", ").map(badge);
}

/** Why a row's runs are not plainly done. */
function stateLines(row) {
  if (row === null) return [];
  return runsOf(row)
    .map((run, index) => (run.note ? `${seedLabel(run, index)} ${run.state}: ${clipped(run.note, 300)}` : null))
    .filter((text) => text !== null);
}

/** The number with its spread and mark, best and second best told by form as well as by word. */
function numberContent(cell) {
  const parts = [cell.text];
  if (cell.spread) parts.push(make("span", { class: "spread" }, ` ± ${cell.spread}`));
  const rank = cell.best ? "best" : cell.second ? "second" : null;
  const mark = cell.mark ? make("span", { class: "mark" }, cell.mark) : null;
  if (!rank) return [...parts, mark];
  const said = make("span", { class: "visually-hidden" }, rank === "best" ? " (best)" : " (second best)");
  return [make(rank === "best" ? "strong" : "span", { class: rank }, parts), mark, said];
}

/** What is shown in plain text, for copying. */
const plainText = (cell) => cell.text + (cell.spread ? ` ± ${cell.spread}` : "") + (cell.mark || "");

/** The lines of a cell's hover. */
const hoverLines = (cell) => (cell.hover || []).map((index) => data.texts[index]);

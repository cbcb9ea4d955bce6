// Tables as text: whole as the report wrote them, or as shown.

/** Put `text` on the clipboard, also where the page may not use it directly. */
async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copyBySelection(text)) return announceCopy(`${what} could not be copied`);
  }
  announceCopy(`${what} copied`);
}

function copyBySelection(text) {
  const field = make("textarea", { class: "visually-hidden", readonly: true });
  field.value = text;
  document.body.append(field);
  const before = document.activeElement;
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (before) before.focus();
  return copied;
}

let toastTimer = 0;

function announceCopy(text) {
  announce(text);
  document.querySelector(".toast")?.remove();
  const toast = make("div", { class: "toast", "aria-hidden": "true" }, text);
  document.body.append(toast);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.remove(), 2500);
}

/** A button that copies what `text` gives. */
function copyButton(label, text, what) {
  return make("button", { type: "button", onclick: () => copyText(text(), what) }, label);
}

/** `text` so that GitHub shows it as it is, in a table's cell too. */
function escapeMarkdown(text) {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\\`*<>|[~&$#]/g, "\\$&")
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, "\\_");
}

const LATEX = {
  "\\": "\\textbackslash{}",
  "{": "\\{",
  "}": "\\}",
  "^": "\\textasciicircum{}",
  "~": "\\textasciitilde{}",
  "±": "$\\pm$",
  "↑": "$\\uparrow$",
  "↓": "$\\downarrow$",
  "↳": "$\\hookrightarrow$",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  '"': "\\textquotedbl{}",
};
const SUPERSCRIPTS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁰¹²³⁴⁵⁶⁷⁸⁹";
const PLAIN = "abcdefghijklmnoprstuvwxyz0123456789";

/** `text` as LaTeX sets it; raised letters and digits that mark notes are set as such. */
function escapeLatex(text) {
  return [...text]
    .map((letter) => {
      const raised = SUPERSCRIPTS.indexOf(letter);
      if (raised >= 0) return `\\textsuperscript{${PLAIN[raised]}}`;
      return LATEX[letter] || letter.replace(/[&%$#_]/, "\\$&");
    })
    .join("");
}

function markdownCell(cell) {
  const text = escapeMarkdown(cell.text + (cell.spread ? ` ± ${cell.spread}` : ""));
  const mark = cell.mark || "";
  if (cell.grey && text && text !== "-") return `*${text}*${mark}`;
  return (cell.best ? `**${text}**` : text) + mark;
}

function latexCell(cell) {
  const text = escapeLatex(cell.text + (cell.spread ? ` ± ${cell.spread}` : ""));
  const styled = cell.best ? `\\textbf{${text}}` : cell.second ? `\\underline{${text}}` : text;
  return (cell.grey ? `\\textcolor{gray}{${styled}}` : styled) + escapeLatex(cell.mark || "");
}

/** The lines and columns given, as a Markdown table. */
function markdownOf(columns, lines) {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  return [
    row(columns.map(({ column }) => escapeMarkdown(column.title))),
    row(columns.map(({ column }) => (column.text ? "---" : "---:"))),
    ...lines.map((line) => row(columns.map(({ index }) => markdownCell(line.cells[index])))),
    "",
  ].join("\n");
}

/** The lines and columns given, as a booktabs tabular (packages booktabs, xcolor). */
function latexOf(columns, lines) {
  const row = (cells) => `${cells.join(" & ")} \\\\`;
  return [
    `\\begin{tabular}{${columns.map(({ column }) => (column.text ? "l" : "r")).join("")}}`,
    "\\toprule",
    row(columns.map(({ column }) => escapeLatex(column.title))),
    "\\midrule",
    ...lines.map((line) => row(columns.map(({ index }) => latexCell(line.cells[index])))),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

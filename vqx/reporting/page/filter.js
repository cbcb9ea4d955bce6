// What is typed into the filter: words, and comparisons like psnr>24.

const COMPARE = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

/** Whether a line has all that `query` asks for; numbers are compared as they are shown. */
function matches(line, query) {
  return query
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => hasWord(line, word));
}

function hasWord(line, word) {
  const [, name, sign, number] = word.match(/^(\w+)(<=|>=|<|>|=)(-?\d*\.?\d+(?:e-?\d+)?)$/) || [];
  const column = main.columns.findIndex(({ key, text }) => !text && key.toLowerCase() === name);
  if (column >= 0) {
    const value = line.cells[column].number;
    return value !== undefined && COMPARE[sign](value, Number(number));
  }
  return lineText(line).includes(word);
}

/** What a word is looked for in: label, state, and what differs from other rows. */
function lineText(line) {
  if (line.search === undefined) {
    const varying = line.row === null ? [] : Object.entries(data.rows[line.row].varying).map((pair) => pair.join("="));
    const texts = main.columns.map((column, index) => (column.text ? line.cells[index].text : ""));
    line.search = [...texts, ...varying].join(" ").toLowerCase();
  }
  return line.search;
}

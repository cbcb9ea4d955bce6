// The fixed validation images: two versions of one under a slider, and all of them row by row.

const look = { image: 0, left: "input", right: null, cut: 50, difference: false };
const LARGE = 384; // CSS pixels of the compared image, where there is room

/** Runs with reconstructions, as `run` keys with their texts; first seeds come first. */
function picturedRuns(row) {
  return data.rows[row].runs
    .map((index, place) => ({ index, run: data.runs[index], place }))
    .filter(({ run }) => run.outputs !== undefined);
}

const anyPictures = () => data.runs.some((run) => run.outputs !== undefined);

function startImages() {
  if (!anyPictures()) {
    const faults = [...new Set(data.runs.flatMap((run) => run.faults.filter((text) => text.includes("images/"))))];
    return emptyPlot(byId("images"), ["There are no images", ...faults].join(": "));
  }
  const slider = make("input", { type: "range", id: "cut", min: 0, max: 100, value: 50, "aria-label": "Where the left image ends", oninput: () => cutAt(slider.value) });
  const stage = make("div", { class: "stage", id: "stage" }, make("div", { class: "layer right" }), make("div", { class: "layer left" }), make("div", { class: "cut-line", "aria-hidden": "true" }), slider);
  byId("images").append(
    make("div", { class: "toolbar", id: "image-tools" }),
    make("div", { class: "compare" }, make("div", { class: "stage-box" }, make("div", { class: "sides" }, make("span", { id: "left-name" }), make("span", { id: "right-name" })), stage, make("p", { class: "hint", id: "image-hint" })), make("div", { class: "gallery", id: "gallery" })),
  );
  watch("chosen", drawImages);
  let ready = false; // the first drawing is that of the first choice
  onWidth(byId("images"), () => (ready ? drawImages() : (ready = true)));
}

/** Sides that can be compared: the input, and every run with reconstructions of it. */
function sideOptions() {
  const rows = data.rows.map((_, row) => row).filter((row) => picturedRuns(row).length);
  const ordered = [...rows.filter((row) => chosen.has(row)), ...rows.filter((row) => !chosen.has(row))];
  const one = (row) => picturedRuns(row).map(({ index, run, place }) => [String(index), `${clipped(labelOf(row), 50)}, ${seedLabel(run, place)}`]);
  return [["input", "input"], ...ordered.flatMap(one)];
}

function drawImages() {
  const options = sideOptions();
  const row = chosenRows().find((one) => picturedRuns(one).length);
  if (look.right === null || (look.auto && row !== undefined))
    [look.right, look.auto] = [row === undefined ? options[1][0] : String(picturedRuns(row)[0].index), true];
  const set = (side) => (value) => ((look[side] = value), (look.auto = false), drawStage());
  byId("image-tools").replaceChildren(
    choice("Left", options, look.left, set("left")),
    choice("Right", options, look.right, set("right")),
    tick("difference × 4", look.difference, (on) => ((look.difference = on), drawStage())),
  );
  drawStage();
  drawGallery();
}

/** The strip of a side; the input is that of the other side's run. */
function stripOf(side, other) {
  const index = side === "input" ? (other === "input" ? look.right : other) : side;
  const run = data.runs[Number(index)] || data.runs.find((one) => one.inputs !== undefined);
  const strip = side === "input" ? run.inputs : run.outputs;
  return strip === undefined ? null : data.strips[strip];
}

function nameOf(side) {
  if (side === "input") return "input";
  const row = data.rows.findIndex((one) => one.runs.includes(Number(side)));
  const run = data.runs[Number(side)];
  return `${labelOf(row)}, ${seedLabel(run, data.rows[row].runs.indexOf(Number(side)))}`;
}

/** One image of a strip, `size` CSS pixels high; without a label what is around it has one. */
function tile(strip, image, size, label) {
  const width = (size * strip.width) / strip.count / strip.height;
  const picture = make("img", { src: strip.uri, alt: "", draggable: "false" });
  picture.style.width = `${width * strip.count}px`;
  picture.style.height = `${size}px`;
  picture.style.left = `${-width * image}px`;
  const box = make("div", { class: "tile", role: label ? "img" : null, "aria-label": label || null }, picture);
  box.style.width = `${width}px`;
  box.style.height = `${size}px`;
  return box;
}

function drawStage() {
  const left = stripOf(look.left, look.right);
  const right = stripOf(look.right, look.left);
  const strip = right || left;
  look.image = Math.min(look.image, strip.count - 1);
  const stage = byId("stage");
  const room = Math.min(LARGE, byId("images").clientWidth - 2);
  const size = Math.min(room, (room * strip.height * strip.count) / strip.width);
  for (const [side, one] of [["left", left], ["right", right]]) {
    const name = `${nameOf(look[side])}, image ${look.image + 1}`;
    stage.querySelector(`.${side}`).replaceChildren(...(one ? [tile(one, Math.min(look.image, one.count - 1), size, name)] : []));
    byId(`${side}-name`).textContent = `${side === "left" ? "◀ " : ""}${nameOf(look[side])}${side === "right" ? " ▶" : ""}`;
  }
  stage.style.width = `${(size * strip.width) / strip.count / strip.height}px`;
  stage.style.height = `${size}px`;
  byId("stage").parentNode.style.maxWidth = stage.style.width;
  stage.classList.toggle("difference", look.difference);
  byId("image-hint").textContent = imageHint(left, right, strip);
  cutAt(look.cut);
  for (const button of document.querySelectorAll(".gallery button"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.image) === look.image && button.dataset.side === look.right));
}

function imageHint(left, right, strip) {
  if (!left || !right) return "One side has no images on this page.";
  const inputs = [look.left, look.right].filter((side) => side !== "input").map((side) => data.runs[Number(side)].inputs);
  const differ = new Set(inputs).size > 1 ? " These two runs were shown different images." : "";
  const size = `${strip.width / strip.count}×${strip.height} pixels`;
  return `Image ${look.image + 1} of ${strip.count}, ${size}. Drag the line, or focus it and use the arrow keys.${differ}`;
}

/** Move the line between the two images; 0 is all right, 100 all left. */
function cutAt(value) {
  look.cut = Number(value);
  const stage = byId("stage");
  stage.querySelector(".left").style.clipPath = look.difference ? "none" : `inset(0 ${100 - look.cut}% 0 0)`;
  stage.querySelector(".cut-line").style.left = `${look.cut}%`;
  byId("cut").setAttribute("aria-valuetext", `${Math.round(look.cut)} % left image`);
}

/** Every chosen row's reconstructions of its first seed, under their inputs. */
function drawGallery() {
  const rows = chosenRows().filter((row) => picturedRuns(row).length);
  const without = chosenRows().length - rows.length;
  const lines = [];
  let inputs;
  for (const row of rows.slice(0, 40)) {
    const [{ index, run }] = picturedRuns(row);
    if (run.inputs !== undefined && run.inputs !== inputs) lines.push(galleryLine("input", run.inputs, String(index), null, lines.length));
    inputs = run.inputs;
    lines.push(galleryLine(nameOf(String(index)), run.outputs, String(index), row, lines.length));
  }
  const more = [];
  if (!rows.length) more.push("Choose rows by their boxes in the table to see their images here.");
  if (rows.length > 40) more.push(`${rows.length - 40} more chosen rows are not drawn.`);
  if (rows.length && without) more.push(`${without} chosen rows have no images.`);
  byId("gallery").replaceChildren(...lines, ...more.map((text) => make("p", { class: "hint" }, text)));
}

function galleryLine(name, index, side, row, place) {
  const strip = data.strips[index];
  const room = (byId("gallery").clientWidth - 24) / strip.count - 5;
  const size = Math.round(Math.min(88, Math.max(40, (room * strip.height * strip.count) / strip.width)));
  const show = (image) => () => {
    look.image = image;
    if (row !== null) Object.assign(look, { auto: false, right: side, left: look.left === side ? "input" : look.left });
    drawImages();
    byId("gallery").querySelectorAll("figure")[place].querySelectorAll("button")[image].focus({ preventScroll: true });
  };
  const tiles = d3.range(strip.count).map((image) => {
    const label = `${name}, image ${image + 1}`;
    const pressed = row !== null && image === look.image && side === look.right;
    return make("button", { type: "button", "data-image": image, "data-side": row === null ? "" : side, "aria-pressed": String(pressed), "aria-label": `Compare ${label}`, onclick: show(image) }, tile(strip, image, size, ""));
  });
  const swatch = row === null ? null : make("span", { class: `swatch ${seriesClass(row)}`, "aria-hidden": "true" });
  return make("figure", { class: "strip" }, make("figcaption", {}, swatch, name), make("div", { class: "tiles" }, tiles));
}

// Elements made by hand: every text becomes a text node, so nothing out of a run is read as HTML.

const byId = (id) => document.getElementById(id);

/** An element; `on...` attributes are listeners, true and false switch an attribute. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A labelled <select>; `options`: [value, text] pairs, or [group, pairs]. */
function choice(label, options, value, onchange) {
  const option = ([key, text]) => make("option", { value: key }, text);
  const select = make("select", { onchange: () => onchange(select.value) });
  for (const [key, content] of options) {
    if (Array.isArray(content)) select.append(make("optgroup", { label: key }, content.map(option)));
    else select.append(option([key, content]));
  }
  select.value = value;
  return make("label", { class: "field" }, make("span", {}, label), select);
}

/** A labelled checkbox. */
function tick(label, checked, onchange) {
  const box = make("input", { type: "checkbox", checked, onchange: () => onchange(box.checked) });
  return make("label", { class: "tick" }, box, label);
}

/** Radio buttons as one control; `options`: [value, text] pairs. */
function switcher(label, options, value, onchange) {
  const name = `switch-${(switcher.count = (switcher.count || 0) + 1)}`;
  const one = ([key, text]) =>
    make(
      "label",
      {},
      make("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }),
      make("span", {}, text),
    );
  return make("fieldset", { class: "switcher" }, make("legend", {}, label), options.map(one));
}

/** A text in which `code` between backticks is shown as such. */
function withCode(text) {
  return text.split(/`([^`]+)`/).map((piece, index) => (index % 2 ? make("code", {}, piece) : piece));
}

/** Say something to who cannot see the page. */
function announce(text) {
  byId("status").textContent = text;
}

/** Call `draw` now and whenever the width of `element` changes. */
function onWidth(element, draw) {
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.round(element.clientWidth);
    if (width && width !== last) draw((last = width));
  }).observe(element);
}

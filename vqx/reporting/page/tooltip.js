// One tooltip for all: for the pointer, for the keyboard's focus, and for a finger.

const tips = new WeakMap(); // element -> () => lines

/** Show what `lines` gives when `element` is pointed at or focused. */
function tipOn(element, lines) {
  tips.set(element, lines);
  element.classList.add("has-tip");
}

function tipTarget(node) {
  for (let element = node; element && element !== document; element = element.parentNode)
    if (tips.has(element)) return element;
  return null;
}

function showTip(lines, box) {
  const tip = byId("tip");
  if (!lines.length) return hideTip();
  tip.replaceChildren(...lines.map((line) => make("div", {}, line)));
  tip.hidden = false;
  const width = tip.offsetWidth;
  const height = tip.offsetHeight;
  const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), innerWidth - width - 8);
  const above = box.top - height - 8;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above > 8 ? above : Math.min(box.bottom + 8, innerHeight - height - 8)}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

let anchor = null; // the element whose tooltip is shown

function startTips() {
  const show = (event) => {
    anchor = tipTarget(event.target);
    if (!anchor) return hideTip();
    anchor.setAttribute("aria-describedby", "tip");
    showTip(tips.get(anchor)(), anchor.getBoundingClientRect());
  };
  // Moving the focus scrolls: then the tooltip goes along, where that of a pointer ends.
  const scrolled = () => {
    const focused = anchor !== null && anchor === document.activeElement && !byId("tip").hidden;
    if (focused) showTip(tips.get(anchor)(), anchor.getBoundingClientRect());
    else hideTip();
  };
  // What scrolls under a pointer at rest is not pointed at.
  let rest = "";
  document.addEventListener("pointerover", (event) => {
    const place = `${event.clientX} ${event.clientY}`;
    if (place !== rest) show(event);
    rest = place;
  });
  document.addEventListener("focusin", show);
  document.addEventListener("focusout", hideTip);
  document.addEventListener("scroll", scrolled, { capture: true, passive: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
}

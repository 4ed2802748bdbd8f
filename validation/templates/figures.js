// Figures: the nearest point says its values, and a click on a name hides what is drawn of it, or shows it again.
for (const figure of document.querySelectorAll("figure.plot")) {
  const svg = figure.querySelector("svg");
  const told = JSON.parse(figure.querySelector("script").textContent);
  const hidden = new Set();
  const each = (kind, series, act) => svg.querySelectorAll(`[data-${kind}="${series}"]`).forEach(act);

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  ring.setAttribute("class", "ring");
  ring.setAttribute("r", 5);
  const away = () => { tip.hidden = true; ring.remove(); };
  figure.append(tip);

  const near = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let found, best = 24 ** 2;
    for (const point of told.points) {
      const distance = (point[2] - at.x) ** 2 + (point[3] - at.y) ** 2;
      if (distance < best && !hidden.has(point[0])) [found, best] = [point, distance];
    }
    if (!found) return away();
    const [, axes, x, y, called, ...values] = found;
    const said = ["x", "y"].map((side, i) => [told.axes[axes][side], values[i]]).filter(([, value]) => value !== called);
    const lines = [called, ...said.map((pair) => pair.filter(Boolean).join(": "))].filter(Boolean);
    tip.replaceChildren(...lines.map((line) => Object.assign(document.createElement("div"), { textContent: line })));
    tip.hidden = false;
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    svg.append(ring);
    const place = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    const box = figure.getBoundingClientRect();
    const left = Math.min(Math.max(place.x - box.left + 10, 0), Math.max(box.width - tip.offsetWidth, 0));
    tip.style.left = `${left}px`;
    tip.style.top = `${place.y - box.top + 12}px`;
  };
  svg.addEventListener("pointermove", near);
  svg.addEventListener("pointerdown", near);
  svg.addEventListener("pointerleave", away);

  svg.querySelectorAll(".hit").forEach((hit) => {
    const series = Number(hit.dataset.hit);
    hit.setAttribute("tabindex", 0);
    hit.setAttribute("role", "switch");
    hit.setAttribute("aria-checked", true);
    hit.setAttribute("aria-label", told.names[series]);
    const toggle = () => {
      const off = !hidden.delete(series);
      if (off) hidden.add(series);
      hit.setAttribute("aria-checked", !off);
      each("series", series, (part) => part.classList.toggle("off", off));
      each("key", series, (part) => part.classList.toggle("faded", off));
      away();
    };
    hit.addEventListener("click", toggle);
    hit.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
  });
}

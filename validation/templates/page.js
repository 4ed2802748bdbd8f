// What is wider than its box says so, and a link to what is folded opens it.
for (const box of document.querySelectorAll(".scroll")) {
  const cue = Object.assign(document.createElement("div"), { className: "cue", hidden: true });
  cue.setAttribute("aria-hidden", true);  // who does not see the cut does not need it
  box.before(cue);
  const look = () => {
    const end = box.scrollLeft + box.clientWidth;
    cue.hidden = end >= box.scrollWidth - 2;
    const rest = [...box.querySelectorAll("thead th")].filter((heading) => heading.offsetLeft + heading.offsetWidth > end + 2);
    cue.textContent = rest.length ? `${rest.length} more column${rest.length > 1 ? "s" : ""} →` : "more →";
  };
  cue.addEventListener("click", () => box.scrollBy({ left: 0.8 * box.clientWidth, behavior: "smooth" }));
  box.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(box);
}
const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));

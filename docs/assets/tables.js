// Of tables with many columns, each cell learns the heading of its column: narrow screens show it beside the value.
for (const table of document.querySelectorAll(".md-content table")) {
  const headings = [...table.querySelectorAll("thead th")].map((heading) => heading.textContent.trim());
  if (headings.length < 4) continue;
  table.dataset.wide = "";
  for (const row of table.querySelectorAll("tbody tr"))
    [...row.cells].forEach((cell, column) => (cell.dataset.heading = headings[column]));
}

// A table that goes on to the right fades out there, until it is scrolled to its end.
const fade = (box) => {
  if (box?.matches?.(".md-typeset__scrollwrap"))
    box.toggleAttribute("data-more", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
};
const sizes = new ResizeObserver((entries) =>
  entries.forEach((entry) => fade(entry.target.closest(".md-typeset__scrollwrap"))),
);
document.querySelectorAll(".md-content table").forEach((table) => sizes.observe(table));
const all = () => document.querySelectorAll(".md-typeset__scrollwrap").forEach(fade);
addEventListener("resize", all);
document.addEventListener("toggle", all, true); // tables that were folded away
document.addEventListener("scroll", (event) => fade(event.target), true);

// Of tables with many columns, each cell learns the heading of its column: narrow screens show it beside the value.
for (const table of document.querySelectorAll(".md-content table")) {
  const headings = [...table.querySelectorAll("thead th")].map((heading) => heading.textContent.trim());
  if (headings.length < 4) continue;
  table.dataset.wide = "";
  for (const row of table.querySelectorAll("tbody tr"))
    [...row.cells].forEach((cell, column) => (cell.dataset.heading = headings[column]));
}

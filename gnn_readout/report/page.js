"use strict";

// Tables: a click on a header sorts, another one turns the order round.

// "1,009" -> 1009, "0.755 ± 0.007" -> 0.755, "" and "gcn" -> NaN.
const number = (text) => {
  const found = text.replaceAll(",", "").match(/^[+-]?\d[\d.]*(e[+-]?\d+)?/);
  return found ? Number(found[0]) : NaN;
};

const cell = (row, column) => row.cells[column].textContent.trim();

const isNumeric = (rows, column) => {
  const texts = rows.map((row) => cell(row, column)).filter(Boolean);
  return texts.length > 0 && texts.every((text) => !isNaN(number(text)));
};

const byText = new Intl.Collator("en", { numeric: true }).compare;

// The row with what has no column of its own, if there is one.
const below = (row) => {
  const next = row.nextElementSibling;
  return next?.classList.contains("below") ? [next] : [];
};

const sort = (table, column) => {
  const header = table.tHead.rows[0].cells[column];
  const rows = [...table.tBodies[0].querySelectorAll("tr:not(.below)")];
  const descending = header.getAttribute("aria-sort") === "ascending";
  const numeric = isNumeric(rows, column);
  const compare = (a, b) => {
    const [x, y] = [cell(a, column), cell(b, column)];
    // Empty cells stay below, in either order.
    if (!x || !y) return !x - !y;
    const order = numeric ? number(x) - number(y) : byText(x, y);
    return descending ? -order : order;
  };
  rows.sort(compare);
  table.tBodies[0].append(...rows.flatMap((row) => [row, ...below(row)]));
  for (const other of table.tHead.rows[0].cells) {
    other.removeAttribute("aria-sort");
  }
  const order = descending ? "descending" : "ascending";
  header.setAttribute("aria-sort", order);
};

for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, column));
    header.append(button);
  });
}

// Figures: the value under the pointer, at once instead of after a second.

const tooltip = document.createElement("div");
tooltip.id = "tooltip";
tooltip.hidden = true;
document.body.append(tooltip);

for (const title of document.querySelectorAll("figure title")) {
  title.parentElement.dataset.value = title.textContent;
  title.remove();
}

document.addEventListener("pointerover", (event) => {
  const value = event.target.dataset.value;
  tooltip.hidden = value === undefined;
  if (tooltip.hidden) return;
  tooltip.textContent = value;
  const room = document.documentElement.clientWidth - tooltip.offsetWidth - 8;
  tooltip.style.left = `${Math.max(0, Math.min(event.clientX + 12, room))}px`;
  tooltip.style.top = `${event.clientY + 14}px`;
});

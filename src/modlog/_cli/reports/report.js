"use strict";
(() => {
  const PAGE = 50;
  const data = JSON.parse(document.getElementById("data").textContent);
  const { rows, words } = data;
  const profile = data.head.profile;
  const [search, left, previous, next, shown] = ["search", "left", "previous", "next", "shown"].map(
    (id) => document.getElementById(id),
  );
  const table = document.getElementById("accounts");
  const scroll = table.parentElement;
  let found = rows;
  let first = 0;
  let printing = false;

  const number = (n) => n.toLocaleString("en");
  const instant = (second) => new Date(second * 1000).toISOString().slice(0, 19).replace("T", " ");

  function length(seconds) {
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
      if (seconds >= size) return `${(seconds / size).toFixed(1)} ${unit}`;
    }
    return `${seconds} s`;
  }

  // Foreign text comes in as text alone, each in a line of its own direction.
  function add(parent, tag, text = "", className = "") {
    const element = parent.appendChild(document.createElement(tag));
    if (className) element.className = className;
    if (text) element.appendChild(document.createElement("bdi")).textContent = text;
    return element;
  }

  function ended([, since, end, by, how]) {
    if (how !== undefined) return `${words[how]} by ${words[by]}, ${instant(end)}, after ${length(end - since)}`;
    return end === undefined ? "stands" : `stands until ${instant(end)}`;
  }

  function tableRow([id, status, values, hits, todo]) {
    const row = document.createElement("tr");
    add(row, "th", id).scope = "row";
    for (const value of values) add(row, "td", value);
    add(row, "td", words[status], "status");
    const what = add(row, "td");
    for (const hit of hits) {
      add(what, "div", `${words[hit[0]]}, ${instant(hit[1])}`);
      add(what, "div", ended(hit), hit.length === 5 ? "end" : "end stands");
    }
    add(row, "td", todo.map((one) => words[one]).join(", "));
    return row;
  }

  function show() {
    const some = printing ? found : found.slice(first, first + PAGE);
    const body = document.createElement("tbody");
    for (const row of some) body.appendChild(tableRow(row));
    table.tBodies[0].replaceWith(body);
    const last = first + some.length;
    shown.textContent = found.length
      ? `${number(first + 1)}–${number(last)} of ${number(found.length)}`
      : "none";
    // Not disabled: a button that is loses the focus of whoever pages with the keyboard.
    previous.setAttribute("aria-disabled", first === 0);
    next.setAttribute("aria-disabled", last >= found.length);
  }

  const texts = new Map();
  function textOf(row) {
    if (!texts.has(row)) {
      const [id, status, values, hits, todo] = row;
      const parts = [id, ...values, words[status], ...todo.map((one) => words[one])];
      for (const hit of hits) parts.push(words[hit[0]], instant(hit[1]), ended(hit));
      texts.set(row, parts.join("\n").toLowerCase());
    }
    return texts.get(row);
  }

  function choose() {
    const wanted = search.value.trim().toLowerCase();
    const code = left.value === "" ? -1 : words.indexOf(left.value);
    found = rows.filter(
      (row) => (code < 0 || row[4].includes(code)) && (!wanted || textOf(row).includes(wanted)),
    );
    first = 0;
    show();
  }

  function turn(by) {
    const to = first + by * PAGE;
    if (to < 0 || to >= found.length) return;
    first = to;
    show();
    scroll.scrollIntoView({ block: "nearest" });
  }

  // Paper has no pages to turn: it gets all that was found.
  function print(now) {
    if (now === printing) return;
    printing = now;
    show();
  }

  const head = table.tHead.appendChild(document.createElement("tr"));
  const headings = ["account", ...profile, "status", "what was done, and how it ended", "left to do"];
  for (const heading of headings) add(head, "th", heading).scope = "col";
  for (const code of new Set(rows.flatMap((row) => row[4]))) left.add(new Option(words[code]));
  for (const button of document.querySelectorAll("[data-left]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      search.value = "";
      left.value = button.dataset.left;
      choose();
      left.focus();
    });
  }
  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(choose, 120);
  });
  left.addEventListener("change", choose);
  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  const controls = document.getElementById("controls");
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.hidden = false;
  const paper = matchMedia("print");
  paper.addEventListener("change", () => print(paper.matches));
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  show();
})();

"use strict";
(function () {
  const cards = Array.from(document.querySelectorAll(".card"));

  function openTarget() {
    const card = document.getElementById(location.hash.slice(1));
    if (card && card.classList.contains("card")) { card.hidden = false; card.open = true; card.scrollIntoView(); }
  }
  addEventListener("hashchange", openTarget);
  openTarget();

  const before = new Map();
  addEventListener("beforeprint", () => cards.forEach((card) => { before.set(card, card.open); card.open = true; }));
  addEventListener("afterprint", () => before.forEach((open, card) => { card.open = open; }));

  const controls = document.querySelector(".controls");
  if (controls && cards.length > 1) {
    controls.hidden = false;
    const filter = document.getElementById("filter");
    const shown = document.getElementById("shown");
    const all = document.getElementById("all");
    const texts = cards.map((card) => card.textContent.toLowerCase());
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase().split(/\s+/);
      let count = 0;
      cards.forEach((card, i) => {
        card.hidden = !wanted.every((word) => texts[i].includes(word));
        count += card.hidden ? 0 : 1;
      });
      shown.textContent = filter.value.trim() ? count + " of " + cards.length : "";
    });
    all.addEventListener("click", () => {
      const open = all.textContent === "Open all";
      cards.forEach((card) => { card.open = open; });
      all.textContent = open ? "Close all" : "Open all";
    });
  }

  const number = new Intl.NumberFormat("en");
  const time = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

  document.querySelectorAll(".canvas").forEach((figure) => {
    const data = JSON.parse(figure.querySelector(".cells").textContent);
    const plot = figure.querySelector(".plot");
    const mark = figure.querySelector(".cross rect");
    const readout = figure.querySelector(".readout");
    const flows = new Map();
    const ranks = new Map();
    for (let i = 0; i < data.cells.length; i += 3) {
      flows.set(data.cells[i], data.cells[i + 1]);
      if (data.cells[i + 2]) { ranks.set(data.cells[i], data.cells[i + 2]); }
    }
    readout.textContent = "Point at a cell to read it.";
    let row = 0;
    let column = 0;

    function tell() {
      const at = row * data.columns + column;
      const step = (data.last - data.first) / data.rows;
      mark.setAttribute("x", 100 * column / data.columns + "%");
      mark.setAttribute("y", 100 * row / data.rows + "%");
      mark.setAttribute("width", Math.max(100 / data.columns, 0.8) + "%");
      mark.setAttribute("height", Math.max(100 / data.rows, 0.8) + "%");
      const rank = ranks.get(at);
      const count = flows.get(at) || 0;
      readout.textContent = time(data.first + row * step) + " UTC, " + data.names[column] + ": " +
        number.format(count) + (count === 1 ? " flow" : " flows") +
        (rank ? "; incident " + rank + ", " + data.titles[rank] : "");
    }
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      column = Math.min(data.columns - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * data.columns)));
      row = Math.min(data.rows - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * data.rows)));
      tell();
    });
    plot.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const move = moves[event.key];
      if (!move) { return; }
      event.preventDefault();
      const far = event.shiftKey ? 10 : 1;
      row = Math.min(data.rows - 1, Math.max(0, row + far * move[0]));
      column = Math.min(data.columns - 1, Math.max(0, column + far * move[1]));
      tell();
    });
  });
})();

"use strict";

// Reads out the plots' values under the pointer, or by the arrow keys. All of it is in the
// page without this script as well: it adds nothing that isn't in the tables.

function clock(ms) {
  const total = Math.round(ms);
  const pad = (number, digits) => String(number).padStart(digits, "0");
  const hours = Math.floor(total / 3600000);
  const tail = pad(Math.floor(total / 60000) % 60, 2) + ":" +
    pad(Math.floor(total / 1000) % 60, 2) + "." + pad(total % 1000, 3);
  return hours ? hours + ":" + tail : tail;
}

function readLine(polyline) {
  const points = polyline.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number));
  return { label: polyline.dataset.label, points };
}

// The nearest point by halving: x rises along a line.
function nearest(points, x) {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  const before = points[Math.max(low - 1, 0)];
  return x - before[0] < points[low][0] - x ? before : points[low];
}

function addReadOut(chart) {
  const drawing = chart.querySelector("svg");
  const cursor = chart.querySelector(".cursor");
  const readout = chart.querySelector(".readout");
  const spanMs = Number(chart.dataset.spanMs);
  let lines = null;
  let x = 0;

  function show(position) {
    lines = lines || Array.from(chart.querySelectorAll("polyline"), readLine);
    x = Math.min(Math.max(position, 0), 1000);
    const values = lines.map((line) => ({ label: line.label, score: 1 - nearest(line.points, x)[1] / 100 }));
    values.sort((one, other) => other.score - one.score);
    readout.textContent = clock(x / 1000 * spanMs) + "  " +
      values.map((value) => value.label + " " + value.score.toFixed(2)).join(", ");
    cursor.setAttribute("x1", x / 10 + "%");
    cursor.setAttribute("x2", x / 10 + "%");
    cursor.setAttribute("visibility", "visible");
  }

  readout.hidden = false;
  readout.textContent = "Point at the plot, or use the arrow keys, to read values.";
  chart.tabIndex = 0;
  chart.setAttribute("role", "group");
  chart.setAttribute("aria-label", "Plot; arrow keys read out values");
  chart.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    show((event.clientX - box.left) / box.width * 1000);
  });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(x + step);
    readout.setAttribute("aria-live", "polite");
  });
}

document.querySelectorAll("[data-plot]").forEach(addReadOut);

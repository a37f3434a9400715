"use strict";
// Reads values off the drawings: pointer, touch, or the arrow keys. Without it every value stands in the tables.
(() => {
  let figures = {};
  const SVG = "http://www.w3.org/2000/svg";

  const money = (value) => {
    if (value === 0) return "$0";
    if (Math.abs(value) >= 100) return "$" + Math.round(value).toLocaleString("en-US");
    if (Math.abs(value) >= 1) return "$" + value.toFixed(2);
    return "$" + value.toFixed(Math.min(20, Math.max(2, 1 - Math.floor(Math.log10(Math.abs(value))))));
  };
  const plain = (value) => (Number.isInteger(value) ? value.toLocaleString("en-US") : value.toPrecision(4));

  // The value at a position, or the last one before it with the words of where that was.
  const read = (chart, series, place) => {
    const say = chart.unit === "$" ? money : plain;
    for (let at = place; at >= 0; at--) {
      const value = series.values[at];
      if (value !== null) return say(value) + (at === place ? "" : ` (${chart.labels[at]})`);
    }
    return "–";
  };

  const attach = (plot) => {
    const chart = figures.charts[plot.dataset.chart];
    const figure = plot.closest("figure");
    const drawing = plot.querySelector("svg");
    const caption = figure.querySelector(".legend caption, .reading");
    const cells = [...figure.querySelectorAll(".legend td")];
    const before = [caption.textContent, ...cells.map((cell) => cell.textContent)];
    const rule = document.createElementNS(SVG, "path");
    rule.setAttribute("class", "rule");
    let current = -1;

    const show = (place) => {
      current = place;
      rule.setAttribute("d", `M${chart.left[place]} ${chart.top}V${chart.bottom}`);
      drawing.append(rule);
      const values = chart.series.map((series) => read(chart, series, place));
      if (cells.length) {
        caption.textContent = "At " + chart.labels[place];
        cells.forEach((cell, row) => (cell.textContent = values[row]));
      } else {
        caption.textContent = `${chart.labels[place]}: ${values[0]} ${chart.series[0].name}.`;
      }
    };
    const rest = () => {
      current = -1;
      rule.remove();
      caption.textContent = before[0];
      cells.forEach((cell, row) => (cell.textContent = before[row + 1]));
    };
    const nearest = (event) => {
      const box = drawing.getBoundingClientRect();
      const across = ((event.clientX - box.left) / box.width) * drawing.viewBox.baseVal.width;
      let best = 0;
      chart.left.forEach((x, place) => {
        if (Math.abs(x - across) < Math.abs(chart.left[best] - across)) best = place;
      });
      return best;
    };

    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", "Chart. The arrow keys read it value by value, Escape stops.");
    plot.addEventListener("pointermove", (event) => show(nearest(event)));
    plot.addEventListener("pointerdown", (event) => show(nearest(event)));
    plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && rest());
    plot.addEventListener("blur", rest);
    plot.addEventListener("keydown", (event) => {
      const last = chart.left.length - 1;
      const middle = Math.round(last / 2);
      const to = {
        ArrowRight: current < 0 ? middle : Math.min(last, current + 1),
        ArrowLeft: current < 0 ? middle : Math.max(0, current - 1),
        Home: 0,
        End: last,
      }[event.key];
      if (event.key === "Escape") rest();
      if (to === undefined) return;
      event.preventDefault();
      show(to);
    });
  };

  // A table wider than its box says that it goes on, until it has been scrolled to its end.
  const hint = (box) => {
    const said = document.createElement("p");
    said.className = "hint";
    said.setAttribute("aria-hidden", "true");
    said.textContent = "More columns to the right \u2192";
    box.after(said);
    const look = () => (said.hidden = box.scrollLeft + box.clientWidth >= box.scrollWidth - 1);
    look(); // before the first frame, so that it never flashes up
    box.addEventListener("scroll", look);
    new ResizeObserver(look).observe(box);
  };

  // Once for the page, and again for each part of it that live.js has renewed.
  const start = (part) => {
    figures = JSON.parse(document.getElementById("figures").textContent);
    part.querySelectorAll("[data-chart]").forEach(attach);
    part.querySelectorAll(".scroll").forEach(hint);
  };
  start(document);
  document.addEventListener("renewed", (event) => start(event.target));

  // Paper cannot be clicked: what is folded opens for it, and closes again. Appendices stay as the reader left
  // them.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")].filter((one) => !one.closest(".appendix"));
    opened.forEach((one) => (one.open = true));
  });
  addEventListener("afterprint", () => opened.forEach((one) => (one.open = false)));
})();

"use strict";
// Asks for this page again and renews the parts that have changed; scrolling, focus and what is open stay as they are.
(() => {
  const EVERY_MS = 2000;
  const figures = (page) => page.getElementById("figures");
  const parts = (page) => new Map([...page.querySelectorAll("main > *")].map((part, at) => [part.id || at, part]));
  const texts = (page) => new Map([...parts(page)].map(([id, part]) => [id, part.outerHTML]));
  // As it came, before report.js adds to it: this script runs first.
  let served = texts(document);
  let asking = false;

  const renew = (old, fresh) => {
    const open = [...old.querySelectorAll("details")].map((one) => one.open);
    const across = [...old.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    old.replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll("details").forEach((one, at) => (one.open = Boolean(open[at])));
    fresh.querySelectorAll(".scroll").forEach((box, at) => (box.scrollLeft = across[at] || 0));
    fresh.dispatchEvent(new Event("renewed", { bubbles: true }));
  };

  const take = (page) => {
    const now = texts(page);
    figures(document).textContent = figures(page).textContent;
    document.title = page.title;
    if ([...now.keys()].join() !== [...served.keys()].join()) {
      renew(document.querySelector("main"), page.querySelector("main"));
      served = now;
      return;
    }
    const shown = parts(document);
    for (const [id, fresh] of parts(page)) {
      const old = shown.get(id);
      if (served.get(id) === now.get(id) || old.contains(document.activeElement)) continue; // read by keyboard: later
      renew(old, fresh);
      served.set(id, now.get(id));
    }
  };

  const status = document.createElement("p");
  status.className = "lost";
  status.setAttribute("role", "status");
  document.querySelector("main").before(status);

  setInterval(async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const reply = await fetch(location.pathname, { cache: "no-store" });
      if (!reply.ok) throw new Error(String(reply.status));
      take(new DOMParser().parseFromString(await reply.text(), "text/html"));
      status.textContent = "";
    } catch {
      status.textContent = "tunewise ui does not answer any more: this is what it last showed.";
    } finally {
      asking = false;
    }
  }, EVERY_MS);
})();

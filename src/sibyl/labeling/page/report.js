"use strict";
(() => {
  const one = (query) => document.querySelector(query);
  const all = (query) => [...document.querySelectorAll(query)];
  const root = document.documentElement;
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, value); } catch { /* a private window keeps nothing */ } },
  };

  // light or dark
  const theme = store.get("sibyl-theme");
  if (theme) root.dataset.theme = theme;
  const turn = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    store.set("sibyl-theme", root.dataset.theme);
  };
  one("#theme").addEventListener("click", turn);

  // corrections: kept by this browser until they are saved, each file under a name of its own, and the run has counted them
  const key = "sibyl-corrections " + location.pathname;
  const parsed = (text) => { try { const value = JSON.parse(text); return Array.isArray(value) ? value : []; } catch { return []; } };
  const now = () => new Date().toISOString();
  const counted = new Map(parsed(one("#counted").dataset.corrections));
  const kept = () => new Map(parsed(store.get(key)).filter((pair) => Array.isArray(pair) && typeof pair[0] === "string").map(
    ([item, made]) => [item, { label: String(made?.label ?? made ?? ""), when: String(made?.when ?? now()) }],
  ).filter(([item, { label }]) => (counted.get(item) ?? "") !== label));
  const cards = all(".card");
  let corrections = kept();
  const cell = (text) => (/[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text);
  const table = () => ["item,label,when", ...[...corrections].map(([item, { label, when }]) => [item, label, when].map(cell).join(","))].join("\n") + "\n";
  const filename = () => `corrections-${now().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}-${Math.random().toString(36).slice(2, 6)}.csv`;
  const shown = () => {
    for (const card of cards) {
      const fixed = corrections.get(card.dataset.item);
      const { label, sure, kind } = card.dataset;
      card.classList.toggle("fixed", fixed !== undefined);
      const name = card.querySelector(".name");
      name.textContent = name.title = fixed?.label || label;
      card.querySelector(".sure").textContent = fixed ? (fixed.label ? "yours" : "taken back") : kind === "labelled" ? sure : "yours";
    }
    one("#tray").hidden = !corrections.size;
    one("#traytext").textContent = corrections.size === 1 ? "1 correction" : `${corrections.size} corrections`;
  };
  const change = (what) => { // another window may have the same report open
    corrections = new Map([...corrections, ...kept()]);
    what(corrections);
    store.set(key, JSON.stringify([...corrections]));
    shown();
  };
  addEventListener("storage", (event) => { if (event.key === key) { corrections = kept(); shown(); } });
  one("#save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.download = filename();
    link.click();
    one("#traytext").textContent = `${corrections.size === 1 ? "1 correction" : `${corrections.size} corrections`} saved as ${link.download} where this browser keeps downloads. ${one("#counted").dataset.then}`;
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  one("#forget").addEventListener("click", () => change((all) => all.clear()));

  // one item, larger
  const look = one("#look");
  let at = -1;
  const visible = () => cards.filter((card) => card.offsetParent !== null || card.closest(".class"));
  const open = (card) => {
    const list = visible();
    at = list.indexOf(card);
    const { item, label, runner, before, sure, kind } = card.dataset;
    const body = card.querySelector("img, q, .wave, .cells").cloneNode(true);
    body.removeAttribute("loading");
    one("#look-stage").replaceChildren(body);
    one("#look-where").textContent = kind === "labelled" ? `${at + 1} of ${list.length} on this page` : "labelled by a person";
    const fixed = corrections.get(item);
    one("#look-label").textContent = fixed?.label || label;
    let words = "";
    if (kind === "labelled") {
      words = `${sure} sure; otherwise ${runner}.`;
      if (before && before !== label) words += ` Without the unlabelled items it would be ${before}.`;
      if (fixed) words = `Corrected by you; it was labelled ${label} (${sure} sure).`;
    } else if (fixed) words = fixed.label ? `Corrected by you; it was ${label}.` : "Your correction is taken back.";
    const sound = one("#look-sound");
    sound.hidden = !card.dataset.sound;
    if (sound.hidden) sound.removeAttribute("src"); else { sound.src = card.dataset.sound; sound.play().catch(() => {}); }
    one("#look-words").textContent = words;
    one("#look-said").textContent = "";
    one("#look-file").textContent = body.textContent === item ? "" : item; // a row of figures shows its name in place of itself
    one("#look-class").value = fixed?.label ?? "";
    one("#look-class").placeholder = kind === "labelled" ? runner : "class";
    if (!look.open) look.showModal();
  };
  const walk = (step) => {
    const list = visible();
    if (list.length) open(list[(at + step + list.length) % list.length]);
  };
  const set = () => {
    const card = visible()[at];
    const label = one("#look-class").value.trim();
    if (!card) return;
    const { item, kind } = card.dataset;
    if (!label && kind !== "correction" && !corrections.has(item)) { // nothing to set and nothing to take back
      one("#look-said").textContent = "Type a class first.";
      one("#look-class").focus();
      return;
    }
    change((all) => {
      all.delete(item); // the latest stands last
      if (label || kind === "correction") all.set(item, { label, when: now() });
    });
    walk(1);
  };
  for (const card of cards) card.addEventListener("click", () => open(card));
  one("#look-back").addEventListener("click", () => walk(-1));
  one("#look-on").addEventListener("click", () => walk(1));
  one("#look-set").addEventListener("click", set);
  look.addEventListener("click", (event) => { if (event.target === look) look.close(); });
  look.addEventListener("close", () => { one("#look-sound").pause(); const card = visible()[at]; if (card) card.focus(); });
  one("#look-class").addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); set(); }
  });

  // keys
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input");
    if (event.key === "Escape" && typing && !look.open) { event.target.value = ""; event.target.dispatchEvent(new Event("input")); event.target.blur(); return; }
    if (typing) return;
    if (event.key === "t") turn();
    else if (event.key === "p" && look.open) { const sound = one("#look-sound"); if (sound.paused) sound.play().catch(() => {}); else sound.pause(); }
    else if (event.key === "/" && !look.open) { event.preventDefault(); one("#find").focus(); }
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const step = event.key === "ArrowRight" ? 1 : -1;
      if (look.open) { event.preventDefault(); walk(step); return; }
      const list = visible();
      const here = list.indexOf(document.activeElement);
      const next = here < 0 ? list[0] : list[here + step];
      if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({ block: "nearest" }); }
    }
  });

  // find
  const articles = all(".class");
  const words = new Map(cards.map((card) => [card, `${card.dataset.item} ${card.querySelector("q, .cells")?.textContent ?? ""}`.toLowerCase()]));
  one("#find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    let number = 0;
    for (const article of articles) {
      const whole = article.dataset.name.toLowerCase().includes(wanted);
      let any = whole;
      for (const card of article.querySelectorAll(".card")) {
        const match = whole || words.get(card).includes(wanted);
        card.parentElement.hidden = !match;
        any = any || match;
      }
      article.hidden = !any;
      number += any;
    }
    one("#found").textContent = wanted ? `${number} of ${articles.length} classes` : "";
  });

  // map
  const plane = one("#plane"), tip = one("#tip"), points = all("#plane .p"), keys = all(".legend button");
  const byItem = new Map(cards.map((card) => [card.dataset.item, card]));
  const alone = (group) => {
    plane.classList.toggle("some", group !== null);
    for (const point of points) point.classList.toggle("on", point.dataset.c === group);
    for (const button of keys) button.setAttribute("aria-pressed", String(button.dataset.c === group));
  };
  const names = new Map(keys.map((button) => [button.dataset.c, button.textContent]));
  for (const button of keys) button.addEventListener("click", () => alone(button.getAttribute("aria-pressed") === "true" ? null : button.dataset.c));
  plane.addEventListener("pointermove", (event) => {
    const item = event.target.dataset.item;
    tip.hidden = item === undefined;
    if (tip.hidden) return;
    tip.textContent = `${names.get(event.target.dataset.c) ?? ""} · ${item}`;
    const box = plane.getBoundingClientRect();
    tip.style.left = `${Math.min(Math.max(event.clientX - box.left, 90), box.width - 90)}px`;
    tip.style.top = `${Math.max(event.clientY - box.top, 40)}px`;
  });
  plane.addEventListener("pointerleave", () => { tip.hidden = true; });
  plane.addEventListener("click", (event) => { const card = byItem.get(event.target.dataset.item); if (card) open(card); });
  shown();
})();

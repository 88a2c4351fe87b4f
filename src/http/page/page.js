// Asks for the same page every ten seconds and puts its live parts in place of the old ones, so that place, focus, and what
// is typed into the form stay as they are. Asks nothing while the page is hidden.
(() => {
  "use strict";
  const EVERY = 10000;
  const WITHIN = 8000;
  const FOCUSABLE = "a, button, input, select, summary, [tabindex]";
  const note = document.getElementById("refresh");
  const usual = note.textContent;
  const kind = (page) => page.querySelector("main")?.dataset.page;
  const parts = (page) => [...page.querySelectorAll("[data-live]")];
  // What was last received of each part: the part itself may have been changed by its reader since.
  const received = new Map(parts(document).map((part) => [part.id, part.innerHTML]));
  let answered = new Date();
  let busy = false;
  let timer;

  function say(text, alarm) {
    if (note.textContent !== text) note.textContent = text;
    note.classList.toggle("alarm", alarm);
  }

  function replace(old, fresh) {
    const keys = (part) => [...part.querySelectorAll(FOCUSABLE)];
    const key = (one) => one.id || one.getAttribute("href");
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const at = keys(old).indexOf(focused);
    const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    const open = [...old.querySelectorAll("details")].map((one) => one.open);
    old.replaceChildren(...fresh.childNodes);
    old.querySelectorAll(".scroll").forEach((one, place) => { one.scrollLeft = scrolled[place] ?? 0; });
    old.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? one.open; });
    if (focused) {
      const now = keys(old);
      const same = key(focused) && now.find((one) => key(one) === key(focused));
      (same || now[Math.min(at, now.length - 1)])?.focus({ preventScroll: true });
    }
  }

  function show(fresh) {
    if (kind(fresh) !== kind(document)) {
      location.reload();
      return;
    }
    for (const part of parts(fresh)) {
      const old = document.getElementById(part.id);
      const html = part.innerHTML;
      if (old && received.get(part.id) !== html) {
        received.set(part.id, html);
        replace(old, part);
      }
    }
  }

  // A selection that is about to be copied stays.
  const isSelecting = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && document.querySelector("main").contains(selection.anchorNode);
  };

  async function ask() {
    try {
      const answer = await fetch(location.href, { cache: "no-cache", signal: AbortSignal.timeout(WITHIN) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      answered = new Date();
      if (answer.ok) {
        if (!isSelecting()) show(fresh);
        say(usual, false);
      } else if (kind(document) !== "message") {
        const title = fresh.querySelector("h1")?.textContent ?? `the answer has status ${answer.status}`;
        say(`Not refreshed: ${title}.`, true);
      }
    } catch {
      const since = answered.toISOString().slice(11, 19);
      say(`The watcher has not answered since ${since} UTC; what is shown is from then.`, true);
    }
  }

  async function turn() {
    clearTimeout(timer);
    if (busy || document.hidden) return;
    busy = true;
    await ask();
    busy = false;
    timer = setTimeout(turn, EVERY);
  }

  document.addEventListener("visibilitychange", turn);
  timer = setTimeout(turn, EVERY);
})();

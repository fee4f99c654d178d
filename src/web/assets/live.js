// Keeps a page as the picture is: fetches it anew when the monitor says that something has changed, and puts the new
// content in place of the old, without moving whoever reads it. Where no stream is to be had it asks by the clock.
"use strict";
(() => {
  const ASK_AGAIN_MS = 15000;
  const button = document.getElementById("pause");
  const stale = document.getElementById("stale");
  const said = document.getElementById("said");
  let stream = null;
  let timer = 0;
  let later = 0;
  let paused = false;
  let fetching = false;
  let wanted = false;

  const focusable = (root) => [...root.querySelectorAll("a[href], summary, [tabindex='0']")];

  // By what an element that can have the focus is known again, wherever it stands on the new page.
  const key = (it) => it.getAttribute("href") ?? it.parentElement.id + it.getAttribute("aria-label");

  function replace(fresh) {
    const style = (page) => page.querySelector("link[rel=stylesheet]").getAttribute("href");
    if (style(fresh) !== style(document)) {
      location.reload();
      return;
    }
    const old = document.getElementById("main");
    const next = document.adoptNode(fresh.getElementById("main"));
    const focused = old.contains(document.activeElement) && document.activeElement !== old ? key(document.activeElement) : null;
    const scrolled = [...old.querySelectorAll(".table")].map((table) => table.scrollLeft);
    for (const open of old.querySelectorAll("details[open][id]")) {
      next.querySelector("#" + CSS.escape(open.id))?.setAttribute("open", "");
    }
    const words = (main) => main.querySelector("h1").textContent;
    if (words(old) !== words(next)) said.textContent = words(next);
    const isOnMain = document.activeElement === old;
    old.replaceWith(next);
    document.title = fresh.title;
    [...next.querySelectorAll(".table")].forEach((table, at) => { table.scrollLeft = scrolled[at] ?? 0; });
    if (isOnMain) next.focus({ preventScroll: true });
    if (focused !== null) focusable(next).find((it) => key(it) === focused)?.focus({ preventScroll: true });
  }

  async function refresh() {
    if (fetching) {
      wanted = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status >= 500) throw new Error(answer.statusText);
      if (answer.status === 429) {
        const wait = Number(answer.headers.get("Retry-After")) * 1000 || ASK_AGAIN_MS;
        clearTimeout(later);
        if (!paused && !document.hidden) later = setTimeout(refresh, wait);
      } else if (!answer.ok) {
        // It may not be read any more, or is not there: the browser shows what the monitor says of that. What it shows then
        // has no script, so it is loaded once.
        if (!paused) location.reload();
      } else {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!fresh.getElementById("main")) throw new Error("this is no page of the monitor");
        if (!paused) replace(fresh);
      }
      stale.textContent = "";
    } catch {
      stale.textContent = stale.dataset.words;
    }
    fetching = false;
    if (wanted) {
      wanted = false;
      refresh();
    }
  }

  function stop() {
    stream?.close();
    stream = null;
    clearInterval(timer);
    clearTimeout(later);
  }

  function start() {
    stop();
    let opened = 0;
    stream = new EventSource(button.dataset.live);
    stream.addEventListener("changed", refresh);
    stream.onopen = () => {
      clearInterval(timer);
      // Whatever changed while there was no stream.
      if (opened++ > 0) refresh();
    };
    stream.onerror = () => {
      clearInterval(timer);
      timer = setInterval(refresh, ASK_AGAIN_MS);
    };
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? button.dataset.resume : button.dataset.pause;
    if (paused) {
      stop();
    } else {
      start();
      refresh();
    }
  });
  // A browser has few connections to one host: a page that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stop();
    } else if (!paused) {
      start();
      refresh();
    }
  });
  if (!document.hidden) start();
})();

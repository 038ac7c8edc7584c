// Keeps a page live: when the server reports an event, fetch the page again and apply the differences.

const html = document.documentElement;
const live = document.getElementById("live");
const said = document.getElementById("said");
const settleMs = 1500;
const refreshMs = 10_000;

const main = () => document.getElementById("main");

// --- applying the differences ---------------------------------------------------------------------------------------

/** Make `from` like `to`, keeping nodes that stay: focus, scrolling, open details and a playing video with them. */
function morph(from, to) {
  if (from.isEqualNode(to)) return from;
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || from.id !== to.id) {
    from.replaceWith(to);
    return to;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    from.nodeValue = to.nodeValue;
    return from;
  }
  if (from.dataset.keep !== undefined && from.dataset.keep === to.dataset.keep) return from;
  const ours = from.nodeName === "DETAILS" ? "open" : undefined; // the viewer opened or closed it
  for (const { name, value } of [...to.attributes]) {
    if (name !== ours && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) if (name !== ours && !to.hasAttribute(name)) from.removeAttribute(name);
  morphChildren(from, to);
  return from;
}

function morphChildren(from, to) {
  const wanted = new Set([...to.children].map((child) => child.id).filter(Boolean));
  const known = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = from.firstChild;
  for (const child of [...to.childNodes]) {
    while (at?.id && !wanted.has(at.id)) at = removed(at);
    const same = child.id ? known.get(child.id) : undefined;
    if (same) {
      if (same === at) at = at.nextSibling;
      else from.insertBefore(same, at);
      morph(same, child);
    } else if (!child.id && at && !at.id && at.nodeName === child.nodeName) {
      const next = at.nextSibling;
      morph(at, child);
      at = next;
    } else {
      from.insertBefore(child, at);
    }
  }
  while (at) at = removed(at);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// --- asking the server ----------------------------------------------------------------------------------------------

let asking = false;
let again = false;

async function refresh() {
  if (main().querySelector("[data-own]")) return; // a program fills it: what the server sends would replace that
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Reelq-Fragment": "1" } });
    if (answer.redirected) location.reload(); // signed out in the meantime
    if (answer.ok) show(await answer.text());
  } catch {
    // The server is down; the stream reports when it is back.
  } finally {
    asking = false;
    if (again) {
      again = false;
      schedule();
    }
  }
}

function show(text) {
  const made = new DOMParser().parseFromString(text, "text/html");
  const next = made.getElementById("main");
  if (!next) return;
  const before = main().dataset.says;
  document.title = made.title;
  morph(main(), document.adoptNode(next));
  prepare();
  if (main().dataset.says !== before) said.textContent = main().dataset.says;
  if (!main().dataset.stream) disconnect();
}

let timer;
let settle;

/** Refresh soon, once for all events in the meantime, and once more when they stop. */
function schedule(afterMs = 250) {
  timer ??= setTimeout(() => {
    timer = undefined;
    refresh();
  }, afterMs);
  clearTimeout(settle);
  settle = setTimeout(refresh, settleMs);
}

// --- the stream of events -------------------------------------------------------------------------------------------

let source;
let last;
let retryMs = 1000;

function connect() {
  const from = main().dataset;
  if (!from.stream || source || document.hidden) return;
  last ??= from.after;
  source = new EventSource(`${from.stream}?after=${last}`);
  source.onopen = () => {
    retryMs = 1000;
    tell("on");
    schedule(0);
  };
  source.onmessage = (event) => {
    last = event.lastEventId || last;
    schedule();
  };
  source.onerror = () => {
    tell("off");
    // A browser reconnects by itself, unless the answer is not a stream.
    if (source.readyState !== EventSource.CLOSED) return;
    disconnect();
    setTimeout(() => refresh().then(connect), retryMs);
    retryMs = Math.min(retryMs * 2, 30_000);
  };
}

function disconnect() {
  source?.close();
  source = undefined;
  if (!main().dataset.stream) live.hidden = true;
}

function tell(state) {
  live.hidden = !main().dataset.stream;
  live.dataset.state = state;
  live.textContent = live.dataset[state];
}

// A browser has few connections to one server; hidden tabs must not take them.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else if (main().dataset.stream) refresh().then(connect);
});
setInterval(() => {
  if (!document.hidden && main().dataset.stream) refresh();
}, refreshMs);

// --- the viewer's zone ----------------------------------------------------------------------------------------------

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && html.dataset.zone !== zone) {
  document.cookie = `reelq_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  html.dataset.zone = zone;
  refresh();
}

// --- small things ---------------------------------------------------------------------------------------------------

function prepare() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = said.textContent = button.dataset.done;
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector("input[type=search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
});

// --- the estimate ---------------------------------------------------------------------------------------------------

function estimates(form) {
  const place = form.querySelector(".estimate");
  let wait;
  let running;
  const ask = async () => {
    running?.abort();
    running = new AbortController();
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.dataset.estimate, { method: "POST", body, signal: running.signal });
      if (!answer.ok) return;
      const made = new DOMParser().parseFromString(await answer.text(), "text/html");
      place.replaceChildren(...made.body.childNodes);
    } catch (problem) {
      if (problem.name !== "AbortError") place.replaceChildren();
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(ask, 350);
  });
  // A double click must not send the form twice.
  form.addEventListener("submit", () => setTimeout(() => form.querySelector("button.primary").toggleAttribute("disabled", true)));
}

window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button.primary[disabled]")) button.disabled = false;
});
for (const form of document.querySelectorAll("form[data-estimate]")) estimates(form);
html.classList.add("scripted");
prepare();
connect();

// The operators' console. It shows what the API says, with the key the operator gave; the key stays in this tab.
// Whatever a job carries is a stranger's text: it is written with textContent, and never becomes markup.
// One file, though long: the page loads one script, and there is no build step.
"use strict";

const KEY = "headrace-key"; // the documentation's page reads the same
const EVERY_MS = 2000;
const JOBS_A_PAGE = 25;
const MOST_A_PAGE = 200;
const MOST_SHOWN = 100_000; // characters of an input or result; the API has the rest
const MOST_EVENTS = 500;
const LIVE = ["scheduled", "queued", "running"];
const RETRYABLE = ["failed", "cancelled", "expired"];
const JOB_ID = /^job_[0-9a-f]{32}$/;

const at = (id) => document.getElementById(id);
const body = (id) => document.querySelector(`#${id} tbody`);
const said = (id) => document.querySelector(`#${id} > .said`);

// ---- the API

class Refused extends Error {
  constructor(response, problem) {
    super(problem.detail || problem.title || `The API answered ${response.status}.`);
    this.status = response.status;
    this.retryAfterMs = 1000 * (Number(response.headers.get("Retry-After")) || 0);
  }
}

let skewMs = 0; // by how much the server's clock is ahead of this one's

async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY) || ""}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  const date = Date.parse(response.headers.get("Date"));
  if (date && Math.abs(date - Date.now()) > 2000) skewMs = date - Date.now();
  if (response.ok) return response;
  throw new Refused(response, await response.json().catch(() => ({})));
}

const get = async (path, options) => read(await (await ask(path, options)).text());

// Integers beyond 2^53 would be rounded: an operator must see the very number the job carries.
function read(text) {
  return JSON.parse(text, (_, value, context) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && context && JSON.rawJSON ? JSON.rawJSON(context.source) : value);
}

// ---- words

function pretty(value) {
  // what turns the direction of text could make an input look like another
  const text = JSON.stringify(value, null, 2).replace(/[\u202a-\u202e\u2066-\u2069]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16)}`);
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}\n… and ${text.length - MOST_SHOWN} characters more; the API has them all.`;
}

function span(seconds) {
  if (seconds < 1) return `${Math.round(Math.max(0, seconds) * 1000)} ms`;
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

const instant = (time) => `${time.slice(0, 19).replace("T", " ")} UTC`;

function age(time) {
  const seconds = Math.round((Date.now() + skewMs - Date.parse(time)) / 1000);
  return seconds > 0 ? span(seconds) : "now";
}

const ago = (time) => (age(time) === "now" ? "now" : `${age(time)} ago`);

function took({ started_at: from, finished_at: to }) {
  return from && to ? span((Date.parse(to) - Date.parse(from)) / 1000) : "";
}

// ---- elements

function make(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

// Rows remain the same elements from one refresh to the next, so that focus and selection survive it.
// A cell is a text, or {text, title, className, href, state}; an href is always one of ours.
function fill(rows, items, keyOf, cellsOf) {
  const known = new Map([...rows.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    const cells = cellsOf(item);
    const row = known.get(key) || newRow(key, cells.length);
    known.delete(key);
    cells.forEach((cell, column) => write(row.cells[column], typeof cell === "string" ? { text: cell } : cell));
    if (rows.rows[index] !== row) rows.insertBefore(row, rows.rows[index] || null);
  });
  for (const row of known.values()) row.remove();
}

function newRow(key, length) {
  const row = make("tr");
  row.dataset.key = key;
  row.append(make("th", "", { scope: "row" }), ...Array.from({ length: length - 1 }, () => make("td")));
  return row;
}

function write(cell, { text, title = "", className = "", href = "", state = "" }) {
  let place = cell;
  if (href || state) place = cell.firstElementChild || cell.appendChild(make(href ? "a" : "span"));
  if (href) place.href = href;
  if (state) place.dataset.state = state;
  if (place.textContent !== text) place.textContent = text;
  cell.title = title;
  cell.className = className;
}

const number = (text, more = {}) => ({ text: String(text), className: "number", ...more });

// ---- what is shown: kept in the address, so that a view can be linked to and left by Back

function wanted() {
  const words = new URLSearchParams(location.hash.slice(1));
  return { state: words.get("state") || "", kind: words.get("kind") || "", job: words.get("job") || "" };
}

function address(changes) {
  const words = Object.entries({ ...wanted(), ...changes }).filter(([, value]) => value);
  return `#${new URLSearchParams(words)}`;
}

// ---- the tables

async function loadQueues() {
  const items = await getAll("/v1/queues");
  return () => {
    fill(body("queues"), items, (queue) => queue.name, (queue) => [
      queue.paused ? `${queue.name} (paused)` : queue.name,
      number(queue.depth), number(queue.running), number(queue.scheduled),
      number(queue.oldest_age_seconds === null ? "–" : span(queue.oldest_age_seconds)),
    ]);
    said("queues").textContent = items.length ? "" : "There are no queues.";
  };
}

async function getAll(path) {
  const items = [];
  for (let cursor = ""; cursor !== null;) {
    const page = await get(`${path}?${new URLSearchParams({ limit: MOST_A_PAGE, ...(cursor && { cursor }) })}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}

async function loadWorkers() {
  const items = await getAll("/v1/workers");
  return () => {
    fill(body("workers"), items, (worker) => worker.name, (worker) => [
      { text: worker.state === "stopping" ? `${worker.name} (stopping)` : worker.name, title: `process ${worker.pid}, since ${instant(worker.started_at)}` },
      worker.queues.join(", "),
      number(`${worker.running} of ${worker.concurrency}`),
      number(ago(worker.seen_at), { title: instant(worker.seen_at) }),
    ]);
    said("workers").textContent = items.length ? "" : "No worker was heard of lately: jobs wait until one starts.";
  };
}

let cursors = [""]; // of the pages of jobs up to the one shown
let filtered = ""; // what these pages are of

async function loadJobs() {
  const { state, kind } = wanted();
  const query = new URLSearchParams(Object.entries({ limit: JOBS_A_PAGE, state, kind, cursor: cursors.at(-1) }).filter(([, value]) => value));
  const { items, next_cursor: next } = await get(`/v1/jobs?${query}`);
  return () => {
    fill(body("jobs"), items, (job) => job.id, (job) => [
      { text: `…${job.id.slice(-8)}`, title: job.id, href: address({ job: job.id }) },
      job.kind,
      { text: job.state, state: job.state },
      number(`${job.attempt} of ${job.max_attempts}`, { className: "number wide" }),
      number(age(job.created_at), { title: instant(job.created_at) }),
      number(took(job), { className: "number wide" }),
      { text: job.tags.join(", "), className: "wide" },
    ]);
    markSelected();
    at("older").dataset.cursor = next || "";
    at("older").disabled = !next;
    at("newer").disabled = cursors.length === 1;
    const none = state || kind ? "No job is like that." : "There are no jobs yet.";
    said("jobs").textContent = items.length ? (cursors.length > 1 ? `Page ${cursors.length}` : "") : none;
  };
}

function markSelected() {
  for (const row of body("jobs").rows) {
    if (row.dataset.key === wanted().job) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

async function loadHealth() {
  const response = await fetch("/health/ready", { cache: "no-store" });
  const { status, state, checks = {} } = await response.json();
  const down = Object.keys(checks).filter((name) => checks[name].status === "down");
  return () => showHealth(response.ok ? status : state, down.length ? `${down.join(", ")} down` : "");
}

function showHealth(state, why) {
  const text = `API ${state}${why ? `: ${why}` : ""}`;
  if (at("health").textContent !== text) at("health").textContent = text;
  at("health").dataset.health = state;
}

// ---- refreshing, as long as anybody looks

let timer = 0;
let round = 0;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || at("desk").hidden) return;
  round += 1;
  const mine = round;
  const parts = { queues: loadQueues, workers: loadWorkers, jobs: loadJobs };
  const answers = await Promise.all([["", loadHealth], ...Object.entries(parts)].map(async ([name, load]) => {
    try { return { name, show: await load() }; } catch (error) { return { name, error }; }
  }));
  if (mine !== round) return; // a newer refresh is under way, with other filters or another key
  let pauseMs = EVERY_MS;
  for (const { name, show, error } of answers) {
    if (show) show();
    else if (error.status === 401) return shut(error.message);
    else if (!(error instanceof Refused)) showHealth("unavailable", "no answer; trying again");
    else if (name) said(name).textContent = error.message;
    if (error) pauseMs = Math.max(pauseMs, error.retryAfterMs || 0);
  }
  at("desk").classList.toggle("stale", answers.every(({ error }) => error));
  timer = setTimeout(refresh, pauseMs);
}

async function loadKinds() {
  const { items } = await get("/v1/kinds");
  const names = items.map((kind) => kind.name).sort();
  at("kind").replaceChildren(make("option", "any", { value: "" }), ...names.map((name) => make("option", name, { value: name })));
  at("kind").value = wanted().kind;
}

// ---- one job

let watch = new AbortController();
let watched = { id: "", seen: 0 };

// Follow the job from the last event seen, until its end or until another is looked at.
async function follow(id, seen = 0) {
  watch.abort();
  watch = new AbortController();
  watched = { id, seen };
  if (!JOB_ID.test(id)) return sayOfJob("This is not the id of a job.", true);
  const { signal } = watch;
  let isOver = false;
  while (!isOver && !signal.aborted) {
    try {
      isOver = await readEvents(id, signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error.status === 401) return shut(error.message);
      if ([403, 404, 410].includes(error.status)) return sayOfJob(error.message, true);
      at("live").textContent = "interrupted; trying again";
    }
    if (!isOver) await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  return undefined;
}

// True: the job has ended and nothing follows.
async function readEvents(id, signal) {
  const response = await ask(`/v1/jobs/${id}/events?after=${watched.seen}`, { signal });
  let state = "";
  for await (const { type, number: seq, data } of frames(response.body)) {
    if (signal.aborted) return true;
    if (type === "snapshot") {
      state = await showJob(data, signal);
    } else {
      watched.seen = seq;
      addEvent(type, data);
      if (type === "progress" && data.progress !== undefined) fact("Progress", `${Math.round(data.progress * 100)} %`);
      else if (!["progress", "delta", "log"].includes(type)) state = await showJob(await get(`/v1/jobs/${id}`, { signal }), signal);
    }
    at("live").textContent = LIVE.includes(state) ? "live" : "";
  }
  return !LIVE.includes(state);
}

async function* frames(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const all = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      if (all("event").length) yield { type: all("event")[0], number: Number(all("id")[0] || 0), data: read(all("data").join("\n")) };
    }
  }
}

async function showJob(job, signal) {
  at("job-body").hidden = false;
  at("facts").replaceChildren();
  fact("Id", job.id);
  fact("Kind", job.kind);
  fact("State", job.state).dataset.state = job.state;
  fact("Attempt", `${job.attempt} of ${job.max_attempts}`);
  if (job.progress !== null) fact("Progress", `${Math.round(job.progress * 100)} %`);
  fact("Queue", job.priority ? `${job.queue}, priority ${job.priority}` : job.queue);
  if (job.tags.length) fact("Tags", job.tags.join(", "));
  for (const [name, time] of [["Created", job.created_at], ["Due", job.state === "scheduled" ? job.run_at : null],
    ["Started", job.started_at], ["Finished", job.finished_at], ["Expires", LIVE.includes(job.state) ? job.expires_at : null]]) {
    if (time) fact(name, instant(time));
  }
  if (took(job)) fact("Took", took(job));
  for (const [name, id] of [["Schedule", job.schedule_id], ["Batch", job.batch_id]]) if (id) fact(name, id);
  if (job.parent_id) fact("Parent", "").append(make("a", job.parent_id, { href: address({ job: job.parent_id }) }));

  at("error").hidden = !job.error;
  if (job.error) {
    document.querySelector("#error h3").textContent = `${job.error.title} (${job.error.code})`;
    document.querySelector("#error p").textContent = job.error.detail;
  }
  const hasMetadata = Object.keys(job.metadata).length > 0;
  for (const [name, value] of [["input", job.input], ["result", job.result], ["metadata", hasMetadata ? job.metadata : null], ["usage", job.usage]]) {
    at(name).hidden = value === null;
    if (value !== null) document.querySelector(`#${name} pre`).textContent = pretty(value);
  }
  at("cancel").hidden = !LIVE.includes(job.state);
  at("retry").hidden = !RETRYABLE.includes(job.state);
  const { items } = await get(`/v1/jobs/${job.id}/attempts`, { signal });
  at("attempts").hidden = !items.length;
  fill(body("attempts"), items, (one) => `${one.finished_at} ${one.attempt}`, (one) => [
    number(one.attempt), { text: one.outcome, state: one.outcome }, number(took(one)), one.worker,
    [one.code, one.detail].filter(Boolean).join(": "),
  ]);
  return job.state;
}

// A fact by name: shown anew, or changed where it stands.
function fact(name, text) {
  const term = [...at("facts").children].find((child) => child.textContent === name && child.tagName === "DT");
  if (term) return Object.assign(term.nextElementSibling, { textContent: text });
  const place = make("dd", text);
  at("facts").append(make("dt", name), place);
  return place;
}

function addEvent(type, { at: time, job_id: _, ...rest }) {
  const list = at("events");
  const last = list.lastElementChild;
  if (type === "delta" && last && last.dataset.type === "delta") { // a reply as it is written reads as one
    last.lastElementChild.textContent += String(rest.text ?? "");
    return;
  }
  const more = type === "delta" ? String(rest.text ?? "") : Object.entries(rest).map(told).join(" · ");
  const item = make("li");
  item.dataset.type = type;
  item.append(make("time", time.slice(11, 23).replace("Z", ""), { dateTime: time, title: instant(time) }), make("b", type), make("span", more));
  list.append(item);
  if (list.children.length > MOST_EVENTS) list.firstElementChild.remove();
}

// A word of an event, as "attempt 1" or "error out_of_stock: There are only 3 left."
function told([name, value]) {
  if (value === null || typeof value !== "object") return `${name} ${value}`;
  return `${name} ${value.code && value.detail !== undefined ? `${value.code}: ${value.detail}` : JSON.stringify(value)}`;
}

function sayOfJob(text, isAll = false) {
  at("job-said").textContent = text;
  at("job-body").hidden = isAll;
}

async function act(verb, done) {
  const { id } = watched;
  let text = done;
  try {
    const response = await ask(`/v1/jobs/${id}/${verb}`, { method: "POST" });
    if (verb === "cancel" && response.status === 202) text = "Its worker was told to stop.";
  } catch (error) {
    text = error.message;
  }
  if (watched.id !== id) return;
  at("job-title").focus(); // the button that was pressed may be about to go
  sayOfJob(text);
  if (verb === "retry") follow(id, watched.seen);
  refresh();
}

// ---- the door, the address, the beginning

function route() {
  if (at("desk").hidden) return;
  const { job, state, kind } = wanted();
  at("state").value = state;
  at("kind").value = kind;
  if (filtered !== `${state} ${kind}`) cursors = [""];
  filtered = `${state} ${kind}`;
  at("close").href = address({ job: "" });
  markSelected();
  if (job === watched.id) return;
  at("job").hidden = !job;
  at("desk").classList.toggle("split", Boolean(job));
  at("events").replaceChildren();
  sayOfJob("");
  if (job) {
    follow(job);
    at("job-title").focus();
  } else {
    const row = [...body("jobs").rows].find((one) => one.dataset.key === watched.id);
    watch.abort();
    watched = { id: "", seen: 0 };
    if (row) row.querySelector("a").focus();
  }
}

function filter() {
  location.hash = address({ state: at("state").value, kind: at("kind").value });
}

function turn(cursor) {
  cursors = cursor ? [...cursors, cursor] : cursors.slice(0, -1);
  refresh();
}

function enter() {
  at("door").hidden = true;
  at("desk").hidden = false;
  at("leave").hidden = false;
  loadKinds().catch(() => {}); // without it any kind is shown, which the tables' own words explain
  route();
  refresh();
}

function shut(why = "") {
  watch.abort();
  watched = { id: "", seen: 0 };
  round += 1;
  sessionStorage.removeItem(KEY);
  for (const id of ["queues", "workers", "jobs"]) body(id).replaceChildren();
  at("desk").hidden = true;
  at("leave").hidden = true;
  at("door").hidden = false;
  at("refusal").textContent = why;
  at("key").focus();
}

at("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = at("key").value.trim();
  at("key").value = "";
  if (!/^[\x21-\x7e]+$/.test(key)) return shut("This is no API key: one is a single word, as headrace up prints it.");
  sessionStorage.setItem(KEY, key);
  return enter();
});
at("leave").addEventListener("click", () => shut());
at("state").addEventListener("change", filter);
at("kind").addEventListener("change", filter);
at("older").addEventListener("click", () => turn(at("older").dataset.cursor));
at("newer").addEventListener("click", () => turn(""));
at("cancel").addEventListener("click", () => act("cancel", "The job is cancelled."));
at("retry").addEventListener("click", () => act("retry", "The job is queued again."));
addEventListener("hashchange", () => { route(); refresh(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) watch.abort();
  else if (watched.id) follow(watched.id, watched.seen);
  refresh();
});

if (sessionStorage.getItem(KEY)) enter();
else shut();

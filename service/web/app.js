// The demo page: pick a person, pick a top, a lower garment or both, see it. Every choice asks the service anew; the newest
// answer wins.

import { Slider } from "./slider.js";

const $ = (id) => document.getElementById(id);
const slider = new Slider($("frame"), $("slider"));

/** What is chosen: a sample (with its address), a file, or nothing. Blobs of samples are kept, so that each is fetched once. */
const chosen = { person: null, top: null, bottom: null };
const boxes = { person: $("people"), top: $("tops"), bottom: $("bottoms") };
let doubted = null; // the garment file that the choice of a category is about
const fetched = new Map();
let running = null; // the AbortController of the request under way
let uploads = 0;

// --- choosing --------------------------------------------------------------------------------------------------------

function addTile(kind, item, { select = false } = {}) {
  const box = boxes[kind];
  const tile = document.createElement("label");
  tile.className = "tile";
  tile.title = item.title;
  const radio = Object.assign(document.createElement("input"), { type: "radio", name: kind, value: item.name });
  const face = Object.assign(document.createElement("span"), { className: "face" });
  const picture = Object.assign(document.createElement("img"), { src: item.thumbnail_url, alt: "", loading: "lazy", decoding: "async" });
  picture.addEventListener("error", () => picture.remove()); // HEIC: the service reads it, the browser may not
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: item.title });
  face.append(picture);
  tile.append(radio, face, name);
  box.insertBefore(tile, box.querySelector(".upload"));
  radio.addEventListener("change", () => choose(kind, item));
  if (select) {
    radio.checked = true;
    box.scrollTo({ left: tile.offsetLeft - box.clientWidth / 2 });
    choose(kind, item);
  }
}

function addFile(kind, file) {
  if (!file) return;
  uploads += 1;
  const url = URL.createObjectURL(file);
  const title = kind === "person" ? "Your photo" : file.name.replace(/\.\w+$/, "") || "Your own";
  addTile(kind, { name: `own-${uploads}`, title, url, thumbnail_url: url, file, category: "auto" }, { select: true });
}

function choose(kind, item) {
  chosen[kind] = item;
  if (kind === "person") showPerson(item);
  else showKind(item?.file ? item : garments().find((garment) => garment.file));
  const without = chosen.top?.category === "dress" ? "Bare legs" : "As now";
  boxes.bottom.querySelector(".keep .name").textContent = without;
  tryOn();
}

/** Inner to outer. */
function garments() {
  return [chosen.bottom, chosen.top].filter(Boolean);
}

/** Of a picture of one's own one can say what it is; of samples it is known. */
function showKind(item) {
  doubted = item ?? null;
  $("kind").hidden = !doubted;
  if (!doubted) return;
  $("kind-of").textContent = doubted.title;
  $("category").value = doubted.category;
}

function showPerson(person) {
  slider.reset();
  const before = $("before");
  before.onload = () => {
    $("frame").classList.remove("no-before");
    fitFrame(before);
  };
  before.onerror = () => $("frame").classList.add("no-before");
  before.src = person.url;
  before.alt = `${person.title}, as photographed`;
  before.hidden = false;
  $("after").hidden = true;
  $("stage").dataset.state = "person";
  $("details").hidden = true;
  $("download").hidden = true;
  $("says").replaceChildren();
  $("credit").textContent = person.credit ? `Photo: ${person.credit}.` : "";
  if (!garments().length) hint("Now pick a garment, or two");
}

function fitFrame(picture) {
  $("frame").style.setProperty("--ratio", String(picture.naturalWidth / picture.naturalHeight));
}

// --- asking the service ----------------------------------------------------------------------------------------------

async function bytes(item) {
  if (item.file) return item.file;
  if (!fetched.has(item.url)) fetched.set(item.url, get(item.url).then((answer) => answer.blob()));
  try {
    return await fetched.get(item.url);
  } catch (error) {
    fetched.delete(item.url);
    throw error;
  }
}

async function get(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer;
}

async function tryOn() {
  running?.abort();
  if (!chosen.person) return;
  const { person } = chosen;
  const worn = garments();
  if (!worn.length) {
    $("problem").hidden = true;
    $("stage").removeAttribute("aria-busy");
    showPerson(person);
    return;
  }
  const mine = (running = new AbortController());
  $("stage").setAttribute("aria-busy", "true");
  $("problem").hidden = true;
  hint("");
  const patience = setTimeout(() => hint("Dressing…"), 600);
  try {
    const form = new FormData();
    const [photo, ...pictures] = await Promise.all([person, ...worn].map(bytes));
    form.append("photo", photo, "photo");
    for (const picture of pictures) form.append("garment", picture, "garment");
    for (const garment of worn) form.append("category", garment.category);
    form.append("tuck", $("tuck").value);
    if (mine.signal.aborted) return;
    const begin = performance.now();
    const answer = await fetch("/v1/try-ons", {
      method: "POST",
      body: form,
      headers: { Accept: "application/json, application/problem+json" },
      signal: mine.signal,
    });
    const record = await answer.json();
    if (!answer.ok) return showProblem(record.title, record.detail, record.remedy);
    const known = answer.headers.get("Cache-Status")?.includes("; hit");
    await showResult(record, person, worn, performance.now() - begin, known);
  } catch (error) {
    if (error.name === "AbortError" || mine.signal.aborted) return;
    showProblem("The service cannot be reached", "The connection failed.", "Check that it is running, then pick the garment again.");
  } finally {
    clearTimeout(patience);
    if (running === mine) {
      $("stage").removeAttribute("aria-busy");
      hint("");
    }
  }
}

// --- showing ---------------------------------------------------------------------------------------------------------

async function showResult(record, person, worn, roundTrip, known) {
  const after = $("after");
  after.src = record.picture.url;
  after.alt = `${person.title}, wearing: ${worn.map((garment) => garment.title).join(", ")}`;
  await after.decode();
  fitFrame(after);
  after.hidden = false;
  $("problem").hidden = true;
  $("stage").dataset.state = "done";
  slider.reveal(72);
  const download = $("download");
  download.href = record.picture.url;
  download.hidden = false;
  const said = document.createElement("b");
  said.textContent = known ? "Drawn a moment ago" : `Dressed in ${milliseconds(record.timings_ms.total)}`;
  const rest = document.createElement("span");
  rest.className = "small";
  rest.textContent = `, here after ${milliseconds(roundTrip)}`;
  const notes = document.createElement("ul");
  for (const text of notesOn(record, worn)) notes.append(Object.assign(document.createElement("li"), { textContent: text }));
  $("says").replaceChildren(said, rest, confidence(record.confidence), notes);
  if (known) $("details").hidden = true;
  else showStages(record.timings_ms);
}

const CONFIDENCE = [
  [0.7, "good", "This should look right."],
  [0.4, "fair", "Look at the edges: they may be off."],
  [0, "poor", "Another photo or garment picture may do better."],
];

function confidence(share) {
  const [, level, meaning] = CONFIDENCE.find(([from]) => share >= from);
  const line = Object.assign(document.createElement("p"), { className: "confidence" });
  line.dataset.level = level;
  line.textContent = `Confidence: ${level}, ${Math.round(share * 100)}\u00a0%. ${meaning}`;
  return line;
}

const KINDS = { upper: "a top", lower: "trousers, shorts or a skirt", dress: "a dress" };

/** What a garment was taken for, where that is not what was chosen, and every notice with the garment it is about. */
function notesOn(record, worn) {
  const found = worn.flatMap((garment, k) => {
    const { category } = record.garments[k];
    const expected = (garment === chosen.bottom) === (category === "lower");
    return expected || garment.category !== "auto" ? [] : [`${garment.title} was taken for ${KINDS[category]}.`];
  });
  const news = record.notices.filter(({ detail }) => !record.notices.some((other) => other.detail !== detail && other.detail.includes(detail)));
  const notices = news.map(({ about, detail }) => {
    const garment = about === "garment" ? worn[0] : worn[Number(about.match(/^garment\[(\d+)\]$/)?.[1])];
    return garment ? `${garment.title}: ${detail}` : detail;
  });
  return [...found, ...notices];
}

const STAGES = [
  ["decode", "reading files", "#c9a66b"],
  ["read_person", "finding the body", "#2f6f68"],
  ["read_garment", "reading the garment", "#b9522f"],
  ["try_on", "draping", "#7a5ca8"],
  ["encode", "writing the picture", "#8a9a4b"],
  ["wait", "waiting", "#9aa5a1"],
];

function showStages(timings) {
  const bar = $("bar");
  const list = $("stages");
  bar.replaceChildren();
  list.replaceChildren();
  for (const [stage, title, colour] of STAGES) {
    const ms = timings[stage];
    if (ms === undefined || ms < 0.05) continue;
    const piece = document.createElement("i");
    piece.style.flexGrow = String(ms);
    piece.style.background = colour;
    bar.append(piece);
    const row = document.createElement("div");
    const term = Object.assign(document.createElement("dt"), { textContent: title });
    term.style.setProperty("--dye", colour);
    row.append(term, Object.assign(document.createElement("dd"), { textContent: milliseconds(ms) }));
    list.append(row);
  }
  $("details").hidden = false;
}

function milliseconds(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function showProblem(title, detail, remedy) {
  const parts = [Object.assign(document.createElement("b"), { textContent: title })];
  for (const text of [detail, remedy]) if (text) parts.push(Object.assign(document.createElement("p"), { textContent: text }));
  $("problem").replaceChildren(...parts);
  $("problem").hidden = false;
  if (chosen.person) showPerson(chosen.person);
}

function hint(text) {
  $("hint").textContent = text;
}

// --- starting --------------------------------------------------------------------------------------------------------

function acceptDrops(zone, kind) {
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("drop");
    });
  }
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("drop"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    addFile(kind, event.dataTransfer.files[0]);
  });
}

for (const [id, kind] of [
  ["photo-file", "person"],
  ["photo-camera", "person"],
  ["top-file", "top"],
  ["bottom-file", "bottom"],
]) {
  $(id).addEventListener("change", (event) => {
    addFile(kind, event.target.files[0]);
    event.target.value = ""; // the same file may be chosen again
  });
}
acceptDrops($("stage"), "person");
for (const [kind, box] of Object.entries(boxes)) acceptDrops(box, kind);
for (const kind of ["top", "bottom"]) boxes[kind].querySelector(".keep input").addEventListener("change", () => choose(kind, null));
$("category").addEventListener("change", (event) => {
  if (doubted) doubted.category = event.target.value;
  tryOn();
});
$("tuck").addEventListener("change", tryOn);
$("choices").addEventListener("submit", (event) => event.preventDefault());

async function waitUntilReady() {
  for (;;) {
    const answer = await fetch("/health/ready");
    if (answer.ok) return;
    const health = await answer.json();
    hint(health.status === "failed" ? health.detail : "The models are loading…");
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

try {
  const samples = await (await get("/samples")).json();
  for (const garment of samples.garments) addTile(garment.category === "lower" ? "bottom" : "top", garment);
  for (const box of Object.values(boxes)) box.scrollLeft = 0;
  samples.people.forEach((person, k) => addTile("person", person, { select: k === 0 }));
  await waitUntilReady();
  hint(chosen.person ? (garments().length ? "" : "Now pick a garment, or two") : "Drop a photo here, or choose one");
  if (samples.garments.length) await bytes(samples.garments[0]); // drawn when first asked for: have one ready
} catch {
  showProblem("The service cannot be reached", "The samples did not arrive.", "Reload the page once it is running.");
}

"use strict";

const at = (id) => document.getElementById(id);
const { maxBytes, version } = document.body.dataset;
let latest = null;

// Ask the server, show its answer; a later request replaces an earlier one.
async function ask(address, options = {}) {
  latest?.abort();
  const request = (latest = new AbortController());
  at("error").hidden = true;
  at("found").classList.add("old");
  say("Asking the networks ...", false);
  try {
    const response = await fetch(address, { ...options, signal: request.signal });
    const answer = await response.json();
    if (request === latest) response.ok ? show(answer) : complain(answer.error);
  } catch (error) {
    if (request !== latest) return;
    complain(`expected an answer, received none (${error.message}); is compare/serve.py still running?`);
  }
}

function upload(file, name) {
  for (const button of document.querySelectorAll("[aria-pressed]")) button.removeAttribute("aria-pressed");
  if (file.size > Number(maxBytes)) {
    latest?.abort();
    latest = null;
    const size = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
    complain(`${name}: expected at most ${size(maxBytes)}, received ${size(file.size)}; make the picture smaller`);
    return;
  }
  const type = { "Content-Type": "application/octet-stream" };
  ask(`/search?name=${encodeURIComponent(name)}`, { method: "POST", body: file, headers: type });
}

// Tell a screen reader; what is ``shown`` elsewhere on the page is not shown twice.
function say(text, shown) {
  at("status").textContent = text;
  at("status").classList.toggle("repeated", shown);
}

function complain(text) {
  say("", true);
  at("found").hidden = true;
  at("error").textContent = text;
  at("error").hidden = false;
}

function show(answer) {
  at("seen").src = answer.seen;
  at("name").textContent = answer.image;
  at("true").textContent = answer.true ? `, in the data: ${answer.true}` : "";
  at("summary").textContent = answer.summary;
  const sides = Object.entries(answer.frameworks).map(([framework, record]) => side(framework, record, answer));
  at("sides").replaceChildren(...sides);
  at("found").hidden = false;
  at("found").classList.remove("old");
  say(`${answer.image}: ${answer.summary}`, true);
}

function side(framework, record, answer) {
  const article = at("side").content.cloneNode(true).firstElementChild;
  const part = (selector) => article.querySelector(selector);
  article.dataset.framework = framework;
  part("h2").textContent = record.name;
  judge(part(".class"), record.class, answer.true);
  part(".probability").textContent = record.probability.toFixed(4);
  part(".margin").textContent = record.margin.toPrecision(3);
  part(".bits").replaceChildren(...groups(record.bits, new Set(answer.differing)));
  part(".hex").textContent = record.hex;
  part("ol").append(...record.nearest.map((item) => hit(item, answer.true)));
  if (record.tied) {
    const distance = record.nearest.at(-1).distance;
    part(".ties").textContent = `${record.tied} items are at distance ${distance}; shown are the first in database order.`;
    part(".ties").hidden = false;
  }
  return article;
}

// The bits in eights; one that differs between the frameworks is marked.
function groups(bits, differing) {
  const marked = [...bits].map((bit, place) => {
    if (!differing.has(place)) return bit;
    const mark = document.createElement("mark");
    mark.textContent = bit;
    mark.title = `bit ${place} differs`;
    return mark;
  });
  return Array.from({ length: Math.ceil(bits.length / 8) }, (_, group) => {
    const span = document.createElement("span");
    span.append(...marked.slice(8 * group, 8 * group + 8));
    return span;
  });
}

function hit(item, truth) {
  const node = at("hit").content.cloneNode(true).firstElementChild;
  node.querySelector("img").src = `/image/${item.index}.png?v=${version}`;
  node.title = `image ${item.index}`;
  if (judge(node.querySelector(".class"), item.class, truth)) node.classList.add("wrong");
  node.querySelector(".distance").textContent = `${item.distance} ${item.distance === 1 ? "bit" : "bits"}`;
  return node;
}

// Write a class, with a cross where the truth is known and another; returns whether it is.
function judge(node, name, truth) {
  const wrong = truth !== null && name !== truth;
  node.textContent = wrong ? `\u2717 ${name}` : name;
  node.classList.toggle("bad", wrong);
  if (wrong) node.title = "wrong";
  return wrong;
}

function listen() {
  const drop = at("drop");
  at("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) upload(file, file.name);
    event.target.value = ""; // the same file may be chosen again
  });
  // anywhere on the page: a file that misses the frame must not replace the page
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    file ? upload(file, file.name) : complain("expected a file, received something else; save the picture first");
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    file ? upload(file, "pasted picture") : complain("expected a picture in the clipboard, received something else");
  });
  for (const button of document.querySelectorAll("[data-number]")) {
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("[aria-pressed]")) other.removeAttribute("aria-pressed");
      button.setAttribute("aria-pressed", "true");
      ask(`/search/${button.dataset.number}`);
    });
  }
}

listen();

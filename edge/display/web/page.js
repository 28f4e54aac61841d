// The page: the live image, the view, the numbers; zones.js and grid.js have the rest.
import {$, element, list} from "./elements.js";
import {showGrid} from "./grid.js";
import {Link, queryOf, showImage} from "./link.js";
import {enableZones, setUpZones, showEvents, showZones} from "./zones.js";

const SWITCHES = ["masks", "boxes", "outlines"];  // each task has some of these
const SHOWN = 2000;  // milliseconds, of the answer to a frame that is kept
const MANY = 24;  // classes, beyond which only those in the image are listed
let link, rows = [], paused = false;
let captured;  // the timer of the button that keeps a frame
let names = [], source = "", all = false;  // of several sources: the one shown, or all

const set = change => link.set(change);

function notice(text) {
  if ($("notice").textContent !== text) $("notice").textContent = text;
  $("notice").hidden = !text;
}

function setEnabled(enabled) {
  $("controls").disabled = $("list").disabled = !enabled;
  enableZones(enabled);
}

function row({index, name, color}) {
  const box = element("input", {type: "checkbox"});
  box.onchange = () => set({[box.checked ? "show" : "hide"]: index});
  const swatch = element("span", {className: "swatch"});
  swatch.style.background = `rgb(${color})`;
  const share = element("span", {className: "share"});
  const label = element("label", {}, box, swatch, name, share);
  return {index, name, box, share, label, item: element("li", {}, label)};
}

function setUp(info) {
  const {classes, controls, replaceable, captures, zones_editable} = info;
  if (info.names.join() !== names.join()) {
    names = info.names;
    return choose();
  }
  const title = all ? `${names.length} sources` : info.source;
  $("source").textContent = source ? `${title} · ${info.address}` : title;
  document.title = `${title} – kseg live`;
  $("replace").hidden = !replaceable;
  $("capture").hidden = !captures;
  for (const name of ["opacity", ...SWITCHES]) $(name).parentElement.hidden = !controls.includes(name);
  rows = classes.map(row);
  $("classes").replaceChildren(...rows.map(r => r.item));
  setUpZones(zones_editable, classes.map(({name}) => name), source);
  $("running").hidden = all || !info.rules;
  setEnabled(true);
}

function show(state) {
  $("fps").textContent = state.fps.toFixed(1);
  list("stages", Object.entries(state.millis).map(([stage, millis]) => [stage, `${millis.toFixed(1)} ms`]));
  $("line").hidden = !state.crossings;
  list("crossings", Object.entries(state.crossings ?? {}).map(([name, counts]) =>
    [name, Object.entries(counts).map(([way, count]) => `${count} ${way}`).join(", ")]));
  for (const {index, name, box, share, label, item} of rows) {
    const part = all ? 0 : state.shares?.[name] ?? 0, count = all ? 0 : state.counts?.[name] ?? 0;
    box.checked = !state.hidden.includes(index);
    share.textContent = count ? count : part ? `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} %` : "";
    label.style.setProperty("--share", part);
    item.hidden = rows.length > MANY && !all && !part && !count && box.checked;
  }
  showEvents(all ? [] : state.events);
  showZones(all ? null : state.zones, state.zones_version);
  if (document.activeElement !== $("opacity")) $("opacity").value = state.opacity;
  for (const name of [...SWITCHES, "legend", "background"]) $(name).checked = state[name];
  paused = state.paused;
  $("pause").textContent = paused ? "Resume" : "Pause";
  const away = source && state.waiting && state.age !== null ? `, no picture since ${state.age.toFixed(0)} s` : "";
  const waiting = state.waiting ? `Waiting for ${state.waiting}${away}` : "";
  notice(paused ? "Paused" : all ? "" : waiting || (state.finished ? "This source has ended." : ""));
}

// Show the source that the address names after #, or of several all.
function choose() {
  source = names.find(name => location.hash === `#${encodeURIComponent(name)}`) ?? "";
  all = names.length > 1 && !source;
  document.body.classList.toggle("all", all);
  $("back").hidden = !source;
  showGrid(all ? names : []);
  connect();
}

function connect() {
  link?.close();
  $("image").removeAttribute("src");
  link = new Link(source, {start: setUp, state: show, image: blob => showImage($("image"), blob), lost}, !all);
}

function lost(ended, opened) {
  setEnabled(false);
  if (source && !opened) {  // the program may run again, without this source
    names = [];
    return choose();
  }
  $("fps").textContent = "–";
  notice(ended ? "The camera program has ended." : "The camera program does not answer. Retrying…");
}

async function snapshot() {
  const answer = await fetch(`snapshot.png${queryOf(source)}`).catch(() => null);
  if (!answer?.ok) return notice(answer ? await answer.text() : "The camera program does not answer.");
  const name = /filename="(.*)"/.exec(answer.headers.get("Content-Disposition"))[1];
  const href = URL.createObjectURL(await answer.blob());
  element("a", {href, download: name}).click();
  setTimeout(URL.revokeObjectURL, 10000, href);
}

// Keep the newest frame for labelling, in the folder of --capture.
async function capture() {
  const answer = await fetch(`api/capture${queryOf(source)}`, {method: "POST"}).catch(() => null);
  const {file, error} = await answer?.json().catch(() => ({})) ?? {};
  $("capture").textContent = file ? "Kept" : "Not kept";
  $("capture").title = file ?? error ?? "The camera program does not answer.";
  clearTimeout(captured);
  captured = setTimeout(() => { $("capture").textContent = "Keep frame"; }, SHOWN);
}

$("snapshot").onclick = snapshot;
$("capture").onclick = capture;
$("pause").onclick = () => set({paused: !paused});
$("opacity").oninput = () => set({opacity: Number($("opacity").value)});
for (const name of [...SWITCHES, "legend", "background"])
  $(name).onchange = () => set({[name]: $(name).checked});
$("all").onclick = () => set({show: "all"});
$("none").onclick = () => set({hide: "all"});
addEventListener("hashchange", choose);
connect();

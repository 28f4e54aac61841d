// The page: the live image, the view, the numbers; zones.js has the rest.
import {$, element, list} from "./elements.js";
import {enableZones, setUpZones, showEvents, showZones} from "./zones.js";

const SWITCHES = ["masks", "boxes", "outlines"];  // each task has some of these
const MANY = 24;  // classes, beyond which only those in the image are listed
let socket, rows = [], requested = false, ended = false, paused = false;

const send = change => { if (socket.readyState === WebSocket.OPEN) socket.send(change); };
const set = change => send(JSON.stringify(change));

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

function setUp({source, classes, controls, replaceable, zones_editable}) {
  $("source").textContent = source;
  document.title = `${source} – kseg live`;
  $("replace").hidden = !replaceable;
  for (const name of ["opacity", ...SWITCHES]) $(name).parentElement.hidden = !controls.includes(name);
  rows = classes.map(row);
  $("classes").replaceChildren(...rows.map(r => r.item));
  setUpZones(zones_editable, classes.map(({name}) => name));
  setEnabled(true);
  ended = requested = false;
  next();
}

function show(state) {
  $("fps").textContent = state.fps.toFixed(1);
  list("stages", Object.entries(state.millis).map(([stage, millis]) => [stage, `${millis.toFixed(1)} ms`]));
  $("line").hidden = !state.crossings;
  list("crossings", Object.entries(state.crossings ?? {}).map(([name, counts]) =>
    [name, Object.entries(counts).map(([way, count]) => `${count} ${way}`).join(", ")]));
  for (const {index, name, box, share, label, item} of rows) {
    const part = state.shares?.[name] ?? 0, count = state.counts?.[name] ?? 0;
    box.checked = !state.hidden.includes(index);
    share.textContent = count ? count : part ? `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} %` : "";
    label.style.setProperty("--share", part);
    item.hidden = rows.length > MANY && !part && !count && box.checked;
  }
  showEvents(state.events);
  showZones(state.zones, state.zones_version);
  if (document.activeElement !== $("opacity")) $("opacity").value = state.opacity;
  for (const name of [...SWITCHES, "legend", "background"]) $(name).checked = state[name];
  paused = state.paused;
  $("pause").textContent = paused ? "Resume" : "Pause";
  notice(state.waiting ? `Waiting for ${state.waiting}` : paused ? "Paused" : "");
}

// One image is requested at a time; a hidden page requests none.
function next() {
  if (requested || document.hidden) return;
  requested = true;
  send("next");
}

async function showImage(blob) {
  const old = $("image").src;
  $("image").src = URL.createObjectURL(blob);
  await $("image").decode().catch(() => {});
  if (old) URL.revokeObjectURL(old);
  requested = false;
  next();
}

function connect() {
  const address = new URL("link", location);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new WebSocket(address);
  socket.onmessage = ({data}) => {
    if (data instanceof Blob) return showImage(data);
    const message = JSON.parse(data);
    if (message.ended) {
      ended = true;
      return socket.close();
    }
    if (message.classes) setUp(message);
    show(message);
  };
  socket.onclose = () => {
    setEnabled(false);
    $("fps").textContent = "–";
    notice(ended ? "The camera program has ended." : "The camera program does not answer. Retrying…");
    setTimeout(connect, 2000);
  };
}

async function snapshot() {
  const answer = await fetch("snapshot.png").catch(() => null);
  if (!answer?.ok) return notice(answer ? await answer.text() : "The camera program does not answer.");
  const name = /filename="(.*)"/.exec(answer.headers.get("Content-Disposition"))[1];
  const href = URL.createObjectURL(await answer.blob());
  element("a", {href, download: name}).click();
  setTimeout(URL.revokeObjectURL, 10000, href);
}

$("snapshot").onclick = snapshot;
$("pause").onclick = () => set({paused: !paused});
$("opacity").oninput = () => set({opacity: Number($("opacity").value)});
for (const name of [...SWITCHES, "legend", "background"])
  $(name).onchange = () => set({[name]: $(name).checked});
$("all").onclick = () => set({show: "all"});
$("none").onclick = () => set({hide: "all"});
document.addEventListener("visibilitychange", next);
connect();

// Zones: drawn on the picture, saved by PUT api/zones, and what is measured in them.
import {$, element, list, pair} from "./elements.js";
import {queryOf} from "./link.js";

const SVG = "http://www.w3.org/2000/svg";
const SNAP = 6;  // pixels from the picture's edge, within which a point is on it
const MOST_LINES = 8;  // classes of a zone that are listed
const LISTED = ["share", "count", "entered", "left"];  // a class without any is not listed
const DRAWING = "Click or tap the corners of the zone on the picture. The last one twice, or the first one again, closes it.";
const NAMING = "Give the zone a name.";
const UNDER_OTHER = "Another viewer has changed the zones meanwhile. Save again.";

let saved = {zones: {}, version: ""}, loading = false;  // as the server has them
let place = "api/zones", editable = false, shown = [], rows = new Map();
let points = [], closed = false, drawing = false, busy = false;  // points: [x, y] in shares
let width = 0, height = 0;  // of the image

const reach = () => matchMedia("(pointer: coarse)").matches ? 22 : 10;  // pixels of a corner

function complain(text) {
  $("zone-error").textContent = text;
  $("zone-error").hidden = !text;
}

// Drawing

const screenOf = ([x, y]) => new DOMPoint(x * width, y * height).matrixTransform($("overlay").getScreenCTM());

function pointOf({clientX, clientY}) {
  const matrix = $("overlay").getScreenCTM(), place = new DOMPoint(clientX, clientY).matrixTransform(matrix.inverse());
  const share = (value, size) => {
    const snap = SNAP / matrix.a;
    if (value < snap) return 0;
    if (value > size - snap) return 1;
    return Number((value / size).toFixed(4));
  };
  return [share(place.x, width), share(place.y, height)];
}

function isNear(event, point) {
  const place = screenOf(point);
  return Math.hypot(place.x - event.clientX, place.y - event.clientY) <= reach();
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function redraw() {
  const overlay = $("overlay");
  overlay.toggleAttribute("hidden", !drawing);
  $("drawing").hidden = !drawing;
  $("draw").disabled = drawing;
  if (!drawing) return;
  overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const corners = points.map(([x, y]) => [x * width, y * height]);
  const shape = closed ? "polygon" : "polyline", text = corners.join(" ");
  overlay.replaceChildren(svg(shape, {points: text, class: "halo"}), svg(shape, {points: text, class: "edge"}));
  const radius = 6 / overlay.getScreenCTM().a;
  corners.forEach(([cx, cy], i) => overlay.append(svg("circle", {cx, cy, r: radius, class: i ? "" : "first"})));
  $("hint").textContent = closed ? NAMING : DRAWING;
  $("naming").hidden = !closed;
  $("finish").textContent = closed ? "Save" : "Close";
  $("finish").disabled = busy || points.length < 3;
  $("undo").disabled = busy || !points.length;
}

function resize() {
  const {naturalWidth, naturalHeight} = $("image");
  if (!naturalWidth || naturalWidth === width && naturalHeight === height) return;
  [width, height] = [naturalWidth, naturalHeight];
  redraw();
}

function start() {
  if (!width) return;
  [points, closed, drawing] = [[], false, true];
  $("zone-name").value = "";
  complain("");
  redraw();
  $("image").scrollIntoView({block: "nearest"});
}

function stop() {
  drawing = false;
  complain("");
  redraw();
}

function close() {
  closed = true;
  redraw();
  $("zone-name").focus();
}

function click(event) {
  if (closed) return;
  const last = points.at(-1), enough = points.length > 2;
  const twice = last && isNear(event, last);  // the first click has added the point
  if (enough && (twice || isNear(event, points[0]))) return close();
  if (twice) return;
  points.push(pointOf(event));
  redraw();
}

function undo() {
  if (closed) closed = false;
  else points.pop();
  complain("");
  redraw();
}

// Saving

async function load() {
  if (loading) return;
  loading = true;
  const asked = place, answer = await fetch(asked).catch(() => null);
  if (answer?.ok && asked === place) saved = await answer.json();
  loading = false;
}

// The error in words, or "" if the zones were saved.
async function put(zones) {
  if (!saved.version) return "The zones are not loaded yet. Try again.";
  const headers = {"Content-Type": "application/json", "If-Match": `"${saved.version}"`};
  const answer = await fetch(place, {method: "PUT", headers, body: JSON.stringify({zones})}).catch(() => null);
  if (!answer) return "The camera program does not answer.";
  const content = await answer.json().catch(() => ({error: "The camera program has refused this."}));
  if (answer.ok) saved = content;
  if (answer.status === 412) {
    await load();
    return UNDER_OTHER;
  }
  return content.error ?? "";
}

async function save() {
  const name = $("zone-name").value.trim();
  if (!name) return complain("Give the zone a name.");
  if (Object.hasOwn(saved.zones, name)) return complain(`There is a zone ${name}. Choose another name.`);
  const error = await put({...saved.zones, [name]: points});
  if (error) complain(error);
  else stop();
}

async function submit(event) {
  event.preventDefault();
  if (busy) return;
  if (!closed) return close();
  busy = true;
  redraw();
  await save();
  busy = false;
  redraw();
}

async function remove(name) {
  if (!confirm(`Delete the zone ${name}?`)) return;
  const zones = {...saved.zones};
  delete zones[name];
  complain(await put(zones));
}

// Showing

const percent = share => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function describe({share = 0, count, dwell, entered = 0, left = 0}) {
  const parts = count === undefined ? [] : [`${count} ${count === 1 ? "object" : "objects"}`];
  parts.push(percent(share));
  if (dwell) parts.push(`longest ${dwell.toFixed(0)} s`);
  if (entered || left) parts.push(`${entered} in, ${left} out`);
  return parts.join(", ");
}

function linesOf(classes) {
  const there = Object.entries(classes).filter(([name, values]) =>
    shown.includes(name) && LISTED.some(measure => values[measure] >= 0.0005));
  there.sort(([, a], [, b]) => b.share - a.share);
  const lines = there.slice(0, MOST_LINES).map(([name, values]) => [name, describe(values)]);
  return lines.length ? lines : [["nothing", ""]];
}

function rowOf(name, whole) {
  const values = element("dl", {className: "zone-values"});
  const head = element("div", {className: "zone-head"}, element("strong", {}, name));
  if (editable && !whole) {
    const button = element("button", {type: "button", className: "button", onclick: () => remove(name)}, "Delete");
    button.setAttribute("aria-label", `Delete the zone ${name}`);
    head.append(button);
  }
  return {values, item: element("li", {}, head, values)};
}

export function showZones(zones, version) {
  $("zones").hidden = !zones;
  if (!zones) return;
  if (version !== saved.version) load();
  const names = ["frame", ...Object.keys(saved.zones)];
  if (names.join("\n") !== [...rows.keys()].join("\n")) {
    rows = new Map(names.map((name, i) => [name, rowOf(name, !i)]));
    $("zone-list").replaceChildren(...[...rows.values()].map(({item}) => item));
  }
  for (const [name, {values}] of rows) values.replaceChildren(...linesOf(zones[name] ?? {}).map(pair));
}

export function showEvents(events) {
  $("running").classList.toggle("alert", events.length > 0);
  const lines = events.map(({rule, seconds, quantity, value}) =>
    [rule, `${seconds.toFixed(0)} s, ${quantity} ${Number(value.toFixed(3))}`]);
  list("events", lines.length ? lines : [["none", ""]]);  // so that the first moves no button
}

export function setUpZones(canSave, classes, source) {
  if (place !== `api/zones${queryOf(source)}`) {
    place = `api/zones${queryOf(source)}`;
    saved = {zones: {}, version: ""};
    stop();
  }
  [editable, shown, rows] = [canSave, classes, new Map()];
  $("edit").hidden = !canSave;
}

export function enableZones(enabled) {
  $("zones").disabled = !enabled;
}

$("draw").onclick = start;
$("cancel").onclick = stop;
$("undo").onclick = undo;
$("overlay").onclick = click;
$("drawing").onsubmit = submit;
addEventListener("keydown", event => { if (drawing && event.key === "Escape") stop(); });
$("image").addEventListener("load", resize);
addEventListener("resize", redraw);

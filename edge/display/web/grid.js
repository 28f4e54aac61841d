// All sources in a grid: each with its image, its name and what it does.
import {$, element} from "./elements.js";
import {Link, showImage} from "./link.js";

const SECONDS = 60;  // from which on a time is told in minutes
let tiles = [];

const duration = seconds => seconds < SECONDS ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`;

// What a source does, in words, and whether something is wrong.
export function describe({fps, age, waiting, finished, paused}) {
  if (finished) return ["ended", false];
  if (paused) return ["paused", false];
  if (age === null) return ["no picture yet", true];
  if (waiting) return [`no picture since ${duration(age)}`, true];
  return [`${fps.toFixed(1)} fps, ${age.toFixed(1)} s ago`, false];
}

function tile(name) {
  const image = element("img", {alt: `Live image of ${name}`, hidden: true});
  const text = element("span", {className: "soft"}, "Connecting…"), events = element("span", {className: "events"});
  const title = element("strong", {}, name), address = element("span", {className: "soft address"});
  const item = element("a", {className: "tile", href: `#${encodeURIComponent(name)}`},
    element("span", {className: "tile-image"}, image), element("span", {className: "tile-head"}, title, address), text, events);
  const link = new Link(name, {
    start: info => { address.textContent = info.address; },
    state: state => {
      const [words, wrong] = describe(state);
      text.textContent = words;
      item.classList.toggle("wrong", wrong);
      events.textContent = state.events.map(({rule, seconds}) => `${rule} ${duration(seconds)}`).join(", ");
    },
    image: async blob => {
      await showImage(image, blob);
      image.hidden = false;
    },
    lost: () => { text.textContent = "The camera program does not answer."; },
  });
  return {link, image, item};
}

// Show these sources, or none.
export function showGrid(names) {
  for (const {link, image} of tiles) {
    link.close();
    URL.revokeObjectURL(image.src);
  }
  tiles = names.map(tile);
  $("grid").hidden = !names.length;
  $("grid").replaceChildren(...tiles.map(({item}) => item));
}

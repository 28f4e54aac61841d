// Elements of the page: found, made, and filled with pairs of texts.

export const $ = id => document.getElementById(id);

export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export const pair = ([name, value]) =>
  element("div", {}, element("dt", {}, name), element("dd", {}, value));

export function list(id, entries) {
  $(id).replaceChildren(...entries.map(pair));
}

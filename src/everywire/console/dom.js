// The little of the DOM that is needed more than once. What comes from the network goes in as
// text, never as markup; the page's Content Security Policy forbids the other way too.

/** The element of that selector, which has to be there. */
export function find(root, selector) {
  const element = root.querySelector(selector);
  if (element === null) throw new Error(`the page has no ${selector}`);
  return element;
}

/** Set a text, if it is another: nothing is laid out, and nothing announced, for the same one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A copy of a template's only element. */
export function copyOf(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Announce something to who cannot see it. */
export function announce(text) {
  say(find(document, "#announcements"), text);
}

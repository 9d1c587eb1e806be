// What the page of the described API can do beyond being read: its commands name the server that it
// came from, and can be copied.

const COPIED_MS = 1500;
const main = document.querySelector("main");
const announcements = document.querySelector("#announcements");

/** The server that this page comes from, below whatever prefix. */
function server() {
  return new URL(".", location.href).href.replace(/\/$/, "");
}

for (const code of document.querySelectorAll("pre.command code")) {
  code.textContent = code.textContent.replaceAll(main.dataset.base, server());
  code.parentElement.replaceWith(copied(code.parentElement.cloneNode(true)));
}

function copied(pre) {
  const element = document.createElement("div");
  element.className = "copied";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", () => copy(button, pre));
  element.append(pre, button);
  return element;
}

async function copy(button, pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    say(button, "Copied");
  } catch {
    // Not allowed here (a page without TLS, for one): selected is half the way.
    getSelection().selectAllChildren(pre);
    say(button, "Selected");
  }
  setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
}

function say(button, words) {
  button.textContent = words;
  announcements.textContent = words;
}

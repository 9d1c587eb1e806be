// The same by hand: what to paste into a shell or a page, with this server's real address.

import { announce, copyOf, find, say } from "./dom.js";

const COPIED_MS = 1500;

/** Fill the section. `since`: where this page started. */
export function showSnippets(section, { url, channel, since }) {
  for (const { title, wide, ...codes } of snippetsFor(url, channel, since)) {
    const element = copyOf("snippet");
    element.classList.toggle("wide", wide === true);
    say(find(element, "h3"), title);
    for (const [language, code] of Object.entries(codes)) {
      element.append(codeBlock(title, language, code));
    }
    section.append(element);
  }
}

function codeBlock(title, language, code) {
  const element = copyOf("snippet-code");
  say(find(element, ".language"), language);
  say(find(element, "code"), code);
  find(element, "pre").setAttribute("aria-label", `${title}, ${language}`);
  const button = find(element, ".copy");
  button.setAttribute("aria-label", `Copy: ${title}, ${language}`);
  button.addEventListener("click", () => copy(button, find(element, "code"), code));
  return element;
}

async function copy(button, element, code) {
  try {
    await navigator.clipboard.writeText(code);
    say(button, "Copied");
    announce("Copied");
  } catch {
    // Not allowed here (a page without TLS, for one): selected is half the way.
    getSelection().selectAllChildren(element);
    say(button, "Selected");
    announce("Selected; copy it by keyboard");
  }
  setTimeout(() => say(button, "Copy"), COPIED_MS);
}

function snippetsFor(url, channel, since) {
  // encodeURIComponent leaves apostrophes, which would end a shell's quotes.
  const name = encodeURIComponent(channel).replaceAll("'", "%27");
  const event = channel === "machine" ? "load" : "message";
  const updates = `${url.href}updates?channel=${name}`;
  const snippets = [
    {
      title: "WebSocket",
      JavaScript: socketCode(url, channel, since),
      curl: `curl -sN --http1.1 -o - \\
  -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\
  -H 'Sec-WebSocket-Version: 13' \\
  -H 'Sec-WebSocket-Key: ZXZlcnl3aXJlLWRlbW8tMQ==' \\
  '${url.href}ws?channel=${name}'`,
    },
    {
      title: "Server-Sent Events",
      JavaScript: streamCode(`${url.href}events?channel=${name}`, event),
      curl: `curl -sN \\\n  '${url.href}events?channel=${name}'`,
    },
    {
      title: "Long polling",
      JavaScript: pollCode(updates, since),
      curl: `curl -s \\\n  '${updates}&since=${since}&limit=3'`,
    },
  ];
  // Nobody publishes into a pattern.
  return channel.includes("*") ? snippets : [...snippets, publishing(url, channel)];
}

function socketCode(url, channel, since) {
  return `let since = ${since};

function open() {
  const socket = new WebSocket(
    "${url.href.replace("http", "ws")}ws");
  socket.onopen = () => socket.send(JSON.stringify(
    { type: "subscribe", channel: ${JSON.stringify(channel)}, since }));
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "message") {
      since = frame.id;
      console.log(frame.id, frame.data);
    } else if (frame.type === "position") {
      since = frame.last_id;
    } else if (frame.type === "gap") {
      since = frame.before - 1;
      console.warn("missing", frame);
    }
  };
  socket.onclose = () =>
    setTimeout(open, 5000 * Math.random());
}
open();`;
}

function streamCode(address, event) {
  return `// It comes back by itself, to where it was.
const source = new EventSource(
  "${address}");

source.addEventListener("${event}", (event) =>
  console.log(event.lastEventId, JSON.parse(event.data)));

source.addEventListener("everywire.gap", (event) =>
  console.warn("missing", JSON.parse(event.data)));`;
}

function pollCode(address, since) {
  return `let since = ${since};

for (;;) {
  try {
    const response = await fetch(
      \`${address}&since=\${since}\`);
    if (!response.ok) throw response.status;
    const { data, gaps = [], last_id } =
      await response.json();
    for (const message of data)
      console.log(message.id, message.data);
    for (const gap of gaps) console.warn("missing", gap);
    since = last_id;
  } catch {
    await new Promise((resume) =>
      setTimeout(resume, 5000 * Math.random()));
  }
}`;
}

function publishing(url, channel) {
  const message = JSON.stringify({ channel, event: "note", data: "hello" });
  return {
    title: "Publish",
    wide: true,
    // An apostrophe would end the shell's quotes; JSON can write it in another way.
    curl: `curl -s ${url.href}publish -d '${message.replaceAll("'", "\\u0027")}'`,
    shell: `everywire publish --url ${url.origin} '${channel.replaceAll("'", "'\\''")}' hello`,
  };
}

// The same by hand: what to paste into a shell or a page, with this server's real address.

import { announce, copyOf, find, say } from "./dom.js";

const COPIED_MS = 1500;

/** Fill the section. `since`: where this page started. */
export function showSnippets(section, { url, channel, since }) {
  for (const { title, language, code } of snippetsFor(url, channel, since)) {
    const element = copyOf("snippet");
    say(find(element, "h3"), title);
    say(find(element, ".language"), language);
    say(find(element, "code"), code);
    find(element, "pre").setAttribute("aria-label", `${title}, ${language}`);
    const button = find(element, ".copy");
    button.setAttribute("aria-label", `Copy: ${title}, ${language}`);
    button.addEventListener("click", () => copy(button, find(element, "code"), code));
    section.append(element);
  }
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
  const socket = url.href.replace("http", "ws");
  const quoted = JSON.stringify(channel);
  const message = JSON.stringify({ channel, event: "note", data: "hello" }).replaceAll("'", "\\u0027");
  return [
    {
      title: "WebSocket",
      language: "JavaScript",
      code: `let since = ${since};

function open() {
  const socket = new WebSocket("${socket}ws");
  socket.onopen = () =>
    socket.send(JSON.stringify({ type: "subscribe", channel: ${quoted}, since }));
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "message") console.log(since = frame.id, frame.data);
    if (frame.type === "position") since = frame.last_id;
    if (frame.type === "gap") console.warn("missing", frame), since = frame.before - 1;
  };
  socket.onclose = () => setTimeout(open, 5000 * Math.random());
}
open();`,
    },
    {
      title: "Server-Sent Events",
      language: "JavaScript",
      code: `// EventSource comes back by itself, to where it was.
const source = new EventSource("${url.href}events?channel=${name}");

source.addEventListener("load", (event) =>
  console.log(event.lastEventId, JSON.parse(event.data)));

source.addEventListener("everywire.gap", (event) =>
  console.warn("missing", JSON.parse(event.data)));`,
    },
    {
      title: "Long polling",
      language: "JavaScript",
      code: `let since = ${since};

for (;;) {
  try {
    const answer = await (await fetch(
      \`${url.href}updates?channel=${name}&since=\${since}\`)).json();
    for (const message of answer.data) console.log(message.id, message.data);
    for (const gap of answer.gaps ?? []) console.warn("missing", gap);
    since = answer.last_id ?? since;
    if (answer.code) throw answer;
  } catch {
    await new Promise((resume) => setTimeout(resume, 5000 * Math.random()));
  }
}`,
    },
    {
      title: "WebSocket",
      language: "curl",
      code: `curl -sN --http1.1 -o - \\
  -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\
  -H 'Sec-WebSocket-Version: 13' \\
  -H 'Sec-WebSocket-Key: ZXZlcnl3aXJlLWRlbW8tMQ==' \\
  '${url.href}ws?channel=${name}'`,
    },
    {
      title: "Server-Sent Events",
      language: "curl",
      code: `curl -sN '${url.href}events?channel=${name}'`,
    },
    {
      title: "Long polling",
      language: "curl",
      code: `curl -s '${url.href}updates?channel=${name}&since=${since}&limit=3'`,
    },
    ...(channel.includes("*")
      ? []
      : [
          {
            title: "Publish",
            language: "curl",
            code: `curl -s '${url.href}publish' -d '${message}'`,
          },
        ]),
  ];
}

// Listens with npm's eventsource, the one that Node programs use, and writes what it dispatches as
// lines of JSON. Arguments: URL, then the names of events beside `message`.
import { EventSource } from "eventsource";

const [url, ...events] = process.argv.slice(2);
const source = new EventSource(url);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

for (const name of ["message", ...events]) {
  source.addEventListener(name, (event) =>
    say({ event: name, id: event.lastEventId, data: event.data }),
  );
}
source.addEventListener("open", () => say({ open: true }));
source.addEventListener("error", (event) => {
  say({ error: event.code ?? null, closed: source.readyState === source.CLOSED });
  if (source.readyState === source.CLOSED) process.exit(0);
});

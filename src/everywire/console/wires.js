// The three wires, and how they are called.

import { openEventSource } from "./eventsource.js";
import { openLongPoll } from "./longpoll.js";
import { openWebSocket } from "./websocket.js";

export const WIRES = [
  {
    key: "websocket",
    name: "WebSocket",
    path: "GET /ws",
    unit: "frame",
    about: "One connection both ways. The server writes a frame as soon as a message is in the log.",
    open: openWebSocket,
    // EventSource shows no bytes, and no page sees the head of its own request.
    exact: true,
  },
  {
    key: "eventsource",
    name: "SSE",
    path: "GET /events",
    unit: "event",
    about: "One answer that does not end. The browser itself comes back, and says where it was.",
    open: openEventSource,
    exact: false,
  },
  {
    key: "longpoll",
    name: "Long polling",
    path: "GET /updates",
    unit: "answer",
    about: "A request is held until there is something to say; then comes the next. Plain HTTP.",
    open: openLongPoll,
    exact: false,
  },
];

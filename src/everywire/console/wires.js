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
    open: openWebSocket,
    // EventSource shows no bytes, and no page sees the head of its own request.
    exact: true,
  },
  {
    key: "eventsource",
    name: "SSE",
    path: "GET /events",
    unit: "event",
    open: openEventSource,
    exact: false,
  },
  {
    key: "longpoll",
    name: "Long polling",
    path: "GET /updates",
    unit: "answer",
    open: openLongPoll,
    exact: false,
  },
];

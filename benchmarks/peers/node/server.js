/* Socket.IO on Node: a room a channel, WebSocket only, everything else as it comes.
 *
 * A client names its channel in the handshake's query; POST /pub takes {"channel","data"} and emits
 * the data to the room. No acknowledgements to clients, no adapter, no connection state recovery:
 * at most once, no history.
 */
"use strict";

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const { channel, data } = JSON.parse(Buffer.concat(parts).toString());
    io.to(channel).emit("message", data);
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 8 });
    response.end('{"id":1}');
  });
});

const io = new Server(http, { transports: ["websocket"], serveClient: false });
io.on("connection", (socket) => socket.join(socket.handshake.query.channel));

http.keepAliveTimeout = 120_000;
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });

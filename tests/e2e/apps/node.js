// SPDX-License-Identifier: Apache-2.0
// A server that answers in Node's ways: chunks, trailers, informational answers, upgrades.
"use strict";
const http = require("node:http");
const crypto = require("node:crypto");

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const routes = {
	"/hello": (request, response) => response.end("hello\n"),
	"/empty": (request, response) => response.writeHead(204).end(),
	"/same": (request, response) => response.writeHead(304).end(),
	"/never": () => {},
	"/early": (request, response) => response.writeHead(413, { Connection: "close" }).end("no\n"),
	"/hints": (request, response) => {
		response.writeEarlyHints({ link: "</style.css>; rel=preload" });
		setTimeout(() => response.end("hinted\n"), 5);
	},
	"/sink": (request, response) => {
		request.resume();
		request.on("end", () => response.end("taken\n"));
	},
	"/stream": (request, response) => {
		let left = 20;
		const next = () => (left-- ? response.write("x".repeat(left * 97), next) : response.end());
		next();
	},
	"/echo": (request, response) => {
		const hash = crypto.createHash("md5");
		response.writeHead(200, { Trailer: "X-Sum" });
		request.on("data", (chunk) => {
			hash.update(chunk);
			response.write(chunk);
		});
		request.on("end", () => {
			response.addTrailers({ "X-Sum": hash.digest("hex") });
			response.end();
		});
	},
};

const server = http.createServer((request, response) => {
	const route = routes[request.url.split("?")[0]];
	if (route) route(request, response);
	else response.writeHead(404).end("nothing here\n");
});

// What comes after the upgrade is echoed, whatever it is.
server.on("upgrade", (request, socket) => {
	const key = request.headers["sec-websocket-key"] + GUID;
	const accept = crypto.createHash("sha1").update(key).digest("base64");
	socket.write(
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			`Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
	);
	socket.pipe(socket);
	socket.on("error", () => {});
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[2]), "127.0.0.1");

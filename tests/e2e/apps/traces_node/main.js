// SPDX-License-Identifier: Apache-2.0
// lib/traces.py's work by express, pg and ioredis. Arguments: the port, that of Redis, the URL of
// PostgreSQL.
"use strict";
const express = require("express");
const Redis = require("ioredis");
const { Pool } = require("pg");

const COMMANDS = ["GET", "STRLEN", "EXISTS", "TTL", "TYPE", "PTTL", "HLEN", "SCARD"];
const STATEMENTS = [
	"SHOW server_version",
	"EXPLAIN SELECT 'S3CRETSQL'",
	"SET application_name = 'S3CRETSET'",
	"DO $$ BEGIN PERFORM 'S3CRETDO'; END $$",
];
const [port, redisPort, url] = process.argv.slice(2);
const redis = new Redis(Number(redisPort), "127.0.0.1");
const pool = new Pool({ connectionString: url, max: 20 });
const app = express();

const chosen = (list, bits) => list.filter((_, i) => (bits >> i) & 1);

app.get("/:path/:number", async (request, response) => {
	const number = Number(request.params.number);
	for (const name of chosen(COMMANDS, (number % 255) + 1)) await redis.call(name, "key");
	for (const text of chosen(STATEMENTS, (Math.floor(number / 3) % 15) + 1)) await pool.query(text);
	response.send(`ZID${number}Z`);
});
const server = app.listen(Number(port), "127.0.0.1");
server.keepAliveTimeout = 60000;

/* SPDX-License-Identifier: Apache-2.0 */
/* What program a command line runs: for an interpreter, the script or module and not itself. */
#ifndef ONLOOKER_PROGRAM_H
#define ONLOOKER_PROGRAM_H

#include <stddef.h>

#define PROGRAM_NAME_SIZE 200

enum program_kind {
	PROGRAM_OWN = 0, /* the name is this program's */
	PROGRAM_WORKER,	 /* it runs functions of the program that started it; the name is the
			    interpreter's */
	PROGRAM_UNNAMED, /* an interpreter whose arguments name no script, perhaps no more: the name
			    is its own, or the first word of the title in their place */
};

/*
 * Names the program that was started as `started_as` (AT_EXECFN: of a script, its own path) with
 * the NUL-separated arguments args[0..size); args[size] is NUL. Writes a
 * NUL-terminated UTF-8 text without control characters, "" where nothing is known.
 *
 *	/usr/sbin/nginx -g ...                           nginx
 *	python3 -u /usr/bin/uvicorn app.main:app         uvicorn app.main:app
 *	python3 -m http.server                           http.server
 *	node --inspect dist/server.js                    server.js
 *	java -Xmx1g -cp a:b org.example.Main             org.example.Main
 *	puma 6.4.2 (tcp://0.0.0.0:3000) [shop]           puma
 */
enum program_kind program_name(const char *started_as, const char *args, size_t size,
			       char ret[PROGRAM_NAME_SIZE]);

#endif

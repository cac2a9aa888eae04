/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL's messages for scripts: each is put at the end of what will be sent next. */
#ifndef ONLOOKER_PGWIRE_H
#define ONLOOKER_PGWIRE_H

#include "drive.h"

/* One message of a type with these bytes; text: a string with its NUL. */
void pg_put(char type, const void *body, size_t size);
void pg_text(char type, const char *text);

/* From the client. A statement or portal "" is the unnamed one. */
void pg_startup(void);
void pg_parse(const char *name, const char *sql);
void pg_bind(const char *portal, const char *statement);
void pg_describe(char kind, const char *name);
void pg_close(char kind, const char *name);
void pg_execute(const char *portal, unsigned int limit);
void pg_sync(void);

/* From the server: messages without a body by their types ("12n"), and those with one. */
void pg_empty(const char *types);
void pg_ready(char status);
void pg_error(const char *code);
void pg_rows(unsigned int count);

/* Sends what was put, in one call. */
void pg_send(struct drive *drive, enum lane lane);

/* A startup up to the first ReadyForQuery, both lanes. */
void pg_login(struct drive *drive);

/* ---- scripts: they play on pg_drive ---- */

extern struct drive pg_drive;

/* Sends what was put, as the client or the server; or a Query of its own. */
void pg_client(void);
void pg_server(void);
void pg_say(const char *sql);

/* Puts all that executes a statement but Sync; CopyData of both ends. */
void pg_one(const char *sql);
void pg_copy_data(void);

/* What was lost: messages not understood, bytes not seen. */
uint64_t pg_errors(void);

/*
 * The script leaves this log (with the sessions, less the first line) without an error, however its
 * bytes are split, and seen from either end.
 */
void pg_check(void (*script)(void), bool sessions, const char *log);

#endif

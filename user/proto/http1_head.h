/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.x message, one line at a time: RFC 9112 sections 2.2 to 6. Nothing here
 * keeps bytes: of the header fields only what frames the body, or delays it, is noted.
 */
#ifndef ONLOOKER_HTTP1_HEAD_H
#define ONLOOKER_HTTP1_HEAD_H

#include <sys/types.h>

#include "bytes.h"
#include "message.h"

/* A line longer than this is not waited for: what is at hand of it is all that is read. */
#define HTTP1_LINE 8192
/* The same of a request-line: servers refuse targets longer than 8 KB, some than 4 KB. */
#define HTTP1_REQUEST_LINE 4096

/* What the header fields say of the message's body and what comes after it. Begins zeroed. */
struct http1_fields {
	uint64_t length; /* Content-Length, where has_length */
	uint8_t field;	 /* the one of the last line, for lines that continue it */
	bool has_length;
	bool coded;   /* a Transfer-Encoding other than identity */
	bool chunked; /* its last coding is chunked */
	bool expect;  /* Expect: 100-continue */
	bool close;   /* Connection: close */
	bool bad;     /* lengths that contradict one another, or are none */
};

/*
 * The line at the front of `in`, without its line end, in *line. Returns the bytes it takes with
 * its line end (LF, or CR LF), or 0 while the end has not come.
 */
size_t http1_line(struct bytes in, struct bytes *line);

/*
 * Splits the request-line (section 3) at the front of `in`: method, target. Returns the bytes that
 * it takes, with its line end; of a line longer than HTTP1_REQUEST_LINE as many as are at hand, the
 * target then being cut. 0: it is none (any more), or not of HTTP/1.x; -EAGAIN: its end has not
 * come.
 */
ssize_t http1_request_line(struct bytes in, struct bytes *method, struct bytes *target);

/* The status of a status-line (section 4), whole or cut after it; 0 where it is none. */
uint16_t http1_status_line(struct bytes line);

/* Notes one line of header fields (section 5). A line that is none is ignored, as servers differ.
 */
void http1_field_line(struct http1_fields *fields, struct bytes line);

/* Where the target is a path (section 3.2): that, without query and fragment; else all of it. */
struct bytes http1_path(struct bytes target);

/*
 * Detection of the first line of either lane: 100 it is HTTP/1.x (60: a request-line that was cut),
 * -EAGAIN it can still become one, 0 it is not, whatever follows.
 */
int http1_detect(struct bytes head, enum lane lane, bool midway);

/*
 * Whether what seems to be a request-line, perhaps behind empty lines, is one and no text of a
 * body: the method has no small letters and the target is of a usual form.
 */
bool http1_is_likely(struct bytes in);

#endif

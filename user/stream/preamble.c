/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/preamble.h"

#include <errno.h>
#include <string.h>

#define LINE_MOST 107 /* version 1: with its end */
#define HEAD_SIZE 16  /* version 2: signature, version and command, family, length */

static const struct bytes families[] = { BYTES("PROXY TCP4 "), BYTES("PROXY TCP6 "),
					 BYTES("PROXY UNKNOWN") };
static const struct bytes signature = BYTES("\r\n\r\n\0\r\nQUIT\n");

/* Whether `head` begins with `text`; -EAGAIN where it still can. */
static int begins(struct bytes head, struct bytes text)
{
	if (head.size >= text.size)
		return bytes_begin(head, text);
	return bytes_begin(text, head) ? -EAGAIN : 0;
}

/* Section 2.1: a line. */
static ssize_t size_of_line(struct bytes head)
{
	const uint8_t *end;
	int found = 0;

	for (size_t i = 0; !found && i < sizeof(families) / sizeof(families[0]); i++)
		found = begins(head, families[i]);
	if (found <= 0)
		return found;
	end = memchr(head.data, '\n', head.size < LINE_MOST ? head.size : LINE_MOST);
	if (end)
		return end[-1] == '\r' ? end + 1 - head.data : 0;
	return head.size < LINE_MOST ? -EAGAIN : 0;
}

/* Section 2.2: a fixed head, then as many bytes as its last two say. */
static ssize_t size_of_frame(struct bytes head)
{
	int found = begins(head, signature);

	if (found <= 0)
		return found;
	if (head.size > signature.size && head.data[signature.size] >> 4 != 2)
		return 0;
	if (head.size < HEAD_SIZE)
		return -EAGAIN;
	return HEAD_SIZE + (head.data[HEAD_SIZE - 2] << 8 | head.data[HEAD_SIZE - 1]);
}

ssize_t preamble_size(struct bytes head)
{
	ssize_t size = size_of_line(head);

	return size ? size : size_of_frame(head);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths whose variable segments are replaced by "{id}", where no route is configured. A segment is
 * variable when it looks like a value rather than a word of the program:
 *
 *	12, 3.14, 2024-01-31, 10:30, 48.85,2.35    digits and punctuation
 *	UUIDs, hexadecimal numbers of 8 digits and more that have a decimal digit
 *	2024-01-31T10:30:00Z                       what begins with a date
 *	order-12345                                what has 4 decimal digits in a row
 *	cus_9s6XKzkNRiz8i3                         letters and digits in turn
 *	20 bytes and more with letters and digits, or with letters of changing case
 *	a@b.c, dGV4dA==                            e-mail addresses, padded base64
 */
#ifndef ONLOOKER_FOLD_H
#define ONLOOKER_FOLD_H

#include "bytes.h"

/* Whether a segment (without its slashes) is variable. */
bool fold_variable(struct bytes segment);

/*
 * Writes the folded path to `ret`, NUL-terminated: valid UTF-8 without control characters ('_' in
 * their place), cut between characters where `size` (at least 8) is too small. Parameters of
 * segments (";jsessionid=...") are dropped. Returns its length.
 */
size_t fold_path(struct bytes path, char *ret, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sql_modes.h"

const uint8_t sql_class[256] = {
	[' '] = SPACE,
	['\t' ... '\r'] = SPACE,
	['A' ... 'Z'] = LETTER,
	['a' ... 'z'] = LETTER,
	['_'] = LETTER,
	[0x80 ... 0xff] = LETTER,
	['0' ... '9'] = DIGIT,
	['\''] = QUOTE,
	['"'] = QUOTES,
	['$'] = DOLLAR,
	['~'] = OPERATOR,
	['!'] = OPERATOR,
	['@'] = OPERATOR,
	['#'] = OPERATOR,
	['^'] = OPERATOR,
	['&'] = OPERATOR,
	['|'] = OPERATOR,
	['`'] = OPERATOR,
	['?'] = OPERATOR,
	['+'] = OPERATOR,
	['-'] = OPERATOR,
	['*'] = OPERATOR,
	['/'] = OPERATOR,
	['%'] = OPERATOR,
	['<'] = OPERATOR,
	['>'] = OPERATOR,
	['='] = OPERATOR,
	['('] = MARK,
	[')'] = MARK,
	['['] = MARK,
	[']'] = MARK,
	[','] = MARK,
	[';'] = MARK,
	[':'] = MARK,
	['.'] = DOT,
};

/* What a word goes on with. */
const bool sql_word[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
	['_'] = true,	      ['$'] = true,	    [0x80 ... 0xff] = true,
};

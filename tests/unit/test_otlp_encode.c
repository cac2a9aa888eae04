/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "export/otlp_encode.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static struct otlp_encoder encoder;

static struct bytes encoded(const void *text, size_t size)
{
	ProtobufCBinaryData *value;

	otlp_encode_resource(&encoder);
	otlp_encode_text(&encoder, "k", (struct bytes){ text, size });
	value = &encoder.values[0].string_value;
	return (struct bytes){ value->data, value->len };
}

static void becomes(struct bytes text, struct bytes expected)
{
	struct bytes ret = encoded(text.data, text.size);

	assert_int_equal(ret.size, expected.size);
	assert_memory_equal(ret.data, expected.data, expected.size);
}

static void test_texts(void **state)
{
	(void)state;
	becomes(BYTES("a\xc3\xa4z"), BYTES("a\xc3\xa4z"));
	becomes(BYTES("a\xffz"), BYTES("a" BAD "z"));
	becomes(BYTES("a\xe2\x82"), BYTES("a" BAD BAD));
	becomes(BYTES(BAD), BYTES(BAD));
}

/* Of a long text with a bad byte all that has room is there, in whole characters. */
static void test_long(void **state)
{
	static uint8_t text[OTLP_TEXT_MOST + 100], filler[] = "\xf0\x9f\x98\x80";
	struct bytes ret;

	(void)state;
	for (size_t bad = 0; bad < 8; bad++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = filler[i % 4];
		text[0] = text[bad * 4] = 0xff;
		ret = encoded(text, sizeof(text));
		assert_in_range(ret.size, OTLP_TEXT_MOST - 6, OTLP_TEXT_MOST);
		assert_memory_equal(ret.data, BAD, 3);
		for (size_t at = ret.size - 4 * 100; at < ret.size; at += 4)
			assert_memory_equal(ret.data + at, filler, 4);
	}
	memset(text, 'x', sizeof(text));
	text[OTLP_TEXT_MOST - 1] = 0xff;
	assert_int_equal(encoded(text, OTLP_TEXT_MOST).size, OTLP_TEXT_MOST - 1);
	text[OTLP_TEXT_MOST - 3] = 0xff;
	assert_int_equal(encoded(text, OTLP_TEXT_MOST - 2).size, OTLP_TEXT_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

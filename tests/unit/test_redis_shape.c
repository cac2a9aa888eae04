/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "proto/redis_shape.h"

static const struct {
	const char *key, *shape;
} shapes[] = {
	{ "", "?" },
	{ "cache", "cache" },
	{ "user:4711", "user:?" },
	{ "user:4711:profile", "user:?:profile" },
	{ "users/12/orders", "users/?/orders" },
	{ "rate_limit:10.0.0.1", "rate_limit:?" },
	{ "app.session:x", "app.session:?" },
	{ "{user:1}:cart", "user:?:cart" },
	{ "cache:view:order:5", "cache:view:?" },
	{ "session:orders:tokens:users", "session:orders:?" },
	{ "a_b_c", "?" },
	{ "user_order_cart", "?" },
	{ "user__order", "?" },
	{ "user-", "?" },
	{ ":::", "?" },
	{ "::user::1::", "user:?" },
	{ "user:1:2:3:4:order", "user:?:order" },
	{ "user user", "?" },
	{ "cache\n", "?" },
	/* identifiers and values that look like words, or are hidden among them */
	{ "user:alice", "user:?" },
	{ "alice:orders", "?:orders" },
	{ "User:1", "?" },
	{ "USER", "?" },
	{ "hunter", "?" },
	{ "user:admin:root", "user:?" },
	{ "session:550e8400-e29b-41d4-a716-446655440000", "session:?" },
	{ "deadbeefcafe", "?" },
	{ "cache:ZGVhZGJlZWY=", "cache:?" },
	{ "token:eyJhbGciOiJIUzI1NiJ9.eyJzdWIi/OiJ4In0.x-y_z", "token:?" },
	{ "mail:alice@example.com", "mail:?" },
	{ "alice.smith/bob", "?" },
	{ "otp:123456", "otp:?" },
	{ "user:cach\xc3\xa9", "user:?" },
	{ "correct:horse:battery:staple", "?" },
	{ "order-cart-token-session", "?" },
};

static void test_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct bytes key = { (const uint8_t *)shapes[i].key, strlen(shapes[i].key) };
		uint8_t out[REDIS_SHAPE_SIZE + 1];

		out[redis_key_shape(key, out)] = '\0';
		assert_string_equal((const char *)out, shapes[i].shape);
	}
}

static void test_size(void **state)
{
	char key[200];
	uint8_t out[REDIS_SHAPE_SIZE];

	(void)state;
	for (size_t size = 6; size < sizeof(key); size++) {
		memset(key, 'x', sizeof(key));
		memcpy(key, "cache:", 6);
		assert_int_equal(redis_key_shape((struct bytes){ (uint8_t *)key, size }, out),
				 size == 6		? 5 :
				 size <= REDIS_KEY_SIZE ? 7 :
							  1);
	}
}

/* Whatever the key is: all that is shown are words of the vocabulary, at most four of them. */
static void test_random(void **state)
{
	static const char *const parts[] = { ":",
					     "/",
					     "{",
					     "}",
					     "_",
					     "-",
					     ".",
					     "user",
					     "cache",
					     "order",
					     "x",
					     "7f3a",
					     "alice",
					     "User",
					     "session",
					     "authentication",
					     "authorization",
					     "recommendations" };
	unsigned int random = 1;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char key[256] = "";
		uint8_t out[REDIS_SHAPE_SIZE + 1];
		unsigned int shown = 0;
		size_t size;

		for (int i = rand_r(&random) % 12; i >= 0; i--)
			strcat(key,
			       parts[(size_t)rand_r(&random) % (sizeof(parts) / sizeof(parts[0]))]);
		memset(out, '~', sizeof(out));
		size = redis_key_shape((struct bytes){ (uint8_t *)key, strlen(key) }, out);
		assert_in_range(size, 1, REDIS_SHAPE_SIZE);
		assert_int_equal(out[REDIS_SHAPE_SIZE], '~');
		for (size_t i = 0; i < size;) {
			size_t length = 0;

			while (i + length < size && out[i + length] >= 'a' &&
			       out[i + length] <= 'z')
				length++;
			if (length)
				assert_true(redis_shape_word((struct bytes){ out + i, length }));
			else
				assert_non_null(memchr(":/?_-.", out[i], 6));
			shown += length != 0;
			i += length ? length : 1;
		}
		assert_in_range(shown, 0, 4);
	}
}

/* The search finds what is there, and only that. */
static void test_vocabulary(void **state)
{
	static const char *const there[] = { "access", "account", "user",  "users",
					     "zones",  "zone",	  "cache", "travels",
					     "rate",   "session", "travel" };
	static const char *const missing[] = { "",	 "a",	  "z",	  "acces", "accesss",
					       "zoness", "admin", "root", "guest", "bob",
					       "secret", "may",	  "grace" };

	(void)state;
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		assert_true(redis_shape_word(
			(struct bytes){ (const uint8_t *)there[i], strlen(there[i]) }));
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		assert_false(redis_shape_word(
			(struct bytes){ (const uint8_t *)missing[i], strlen(missing[i]) }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_vocabulary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
